"""Every coder by its name, with one interface."""

from __future__ import annotations

from dataclasses import fields
from importlib import import_module
from typing import Any, ClassVar, Protocol

import numpy as np

from hwsim.errors import CodecError


class Codec(Protocol):
    """What every coder is: a small frozen dataclass. Methods raise CodecError on input they cannot take."""

    name: ClassVar[str]

    def encode(self, values: Any, order: int = 0) -> np.ndarray:
        """Bytes, uint8 (n,), of unsigned integers of any shape, in C order."""
        ...

    def decode(self, data: Any, count: int, order: int = 0, dtype: Any = np.uint16) -> np.ndarray:
        """The ``count`` values, 1-D."""
        ...

    def encoded_bits(self, values: Any, order: int = 0) -> int:
        """Exact length of the encoding in bits, before padding to bytes, without encoding."""
        ...

    def best_order(self, values: Any) -> int:
        """The order with the fewest bits, exact; 0 for a coder without an order."""
        ...


_CODERS = {
    "seg": "Seg",
    "aseg": "Aseg",
    "exp_golomb": "ExpGolomb",
    "zvc": "Zvc",
    "rle": "Rle",
    "csr": "Csr",
    "huffman": "Huffman",
    "ebpc": "Ebpc",
    "entropy": "Entropy",
}


def names() -> tuple[str, ...]:
    """Of all coders; the last one is the bound."""
    return tuple(_CODERS)


def get(name: str, **config: Any) -> Codec:
    """A coder: ``get("zvc", bits=8)``.

    Args:
        name: one of :func:`names`.
        config: ``bits``, width of the values, 16 by default; ``csr`` has ``columns``, ``aseg`` ``segment``.

    Raises:
        CodecError: no such coder, or a configuration that it does not have.
    """
    if name not in _CODERS:
        raise CodecError(f"no coder {name!r}: choose one of {', '.join(_CODERS)}")
    coder = getattr(import_module(f"hwsim.codec.{name}"), _CODERS[name])
    options = [field.name for field in fields(coder)]
    for option in config:
        if option not in options:
            raise CodecError(f"coder {name} has no option {option!r}, only {', '.join(options)}")
    return coder(**config)
