"""Coders of activation maps, bit-exact: one file a coder, one interface, one registry.

``encode``, ``decode``, ``encoded_bits`` and ``best_order`` are SEG's own; ``get(name)`` returns any coder.
They load with their compiled loops at first use, so that importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hwsim.codec.coder import Coder
    from hwsim.codec.registry import get, names, sizes
    from hwsim.codec.seg import best_order, decode, encode, encoded_bits

__all__ = ["Coder", "best_order", "decode", "encode", "encoded_bits", "get", "names", "sizes"]

_HOMES = {"Coder": "coder", "get": "registry", "names": "registry", "sizes": "registry"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES.get(name, 'seg')}"), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
