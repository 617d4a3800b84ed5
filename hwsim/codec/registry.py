"""Every coder by its name, with one interface."""

from __future__ import annotations

from dataclasses import fields
from importlib import import_module
from typing import Any

import numpy as np

from hwsim.codec.coder import Coder
from hwsim.errors import CodecError

_CODERS = {
    "seg": "hwsim.codec.seg:SegCoder",
    "aseg": "hwsim.codec.aseg:Aseg",
    "exp_golomb": "hwsim.codec.exp_golomb:ExpGolomb",
    "zvc": "hwsim.codec.zvc:Zvc",
    "rle": "hwsim.codec.rle:Rle",
    "csr": "hwsim.codec.csr:Csr",
    "huffman": "hwsim.codec.huffman:Huffman",
    "ebpc": "hwsim.codec.ebpc:Ebpc",
    "entropy": "hwsim.codec.entropy:Entropy",
}


def names() -> tuple[str, ...]:
    """Of all coders, in the order in which they are shown; the last one is the bound."""
    return tuple(_CODERS)


def coder_class(name: str) -> type[Coder]:
    """The class of a coder, loaded when it is asked for.

    Raises:
        CodecError: no such coder.
    """
    if name not in _CODERS:
        raise CodecError(f"no coder {name!r}: choose one of {', '.join(_CODERS)}")
    module, _, attribute = _CODERS[name].partition(":")
    return getattr(import_module(module), attribute)


def get(name: str, **config: Any) -> Coder:
    """A coder: ``get("zvc", bits=8)``.

    Args:
        name: one of :func:`names`.
        config: ``bits``, width of the values, 16 by default; ``csr`` has ``columns``, ``aseg`` ``segment``.

    Raises:
        CodecError: no such coder, or a configuration that it does not have.
    """
    coder = coder_class(name)
    options = [field.name for field in fields(coder)]
    for option in config:
        if option not in options:
            raise CodecError(f"coder {name} has no option {option!r}, only {', '.join(options)}")
    return coder(**config)


def sizes(values: Any, bits: int, order: int | None = None) -> dict[str, int]:
    """Exact bits of maps under every coder, each as it is configured for maps of this shape.

    Args:
        values: integers of ``bits`` bits, (..., C, H, W), coded as one array in C order.
        bits: width of a value.
        order: of SEG, from calibration; as for every other coder, the best one for these values if not given.

    Raises:
        CodecError: a value out of range or not an integer.
    """
    array = np.asarray(values)
    channels, height, width = array.shape[-3:]
    found = {}
    for name in _CODERS:
        coder = coder_class(name).for_map((channels, height, width), bits)
        given = order if name == "seg" else None
        found[name] = coder.encoded_bits(array, coder.best_order(array) if given is None else given)
    return found
