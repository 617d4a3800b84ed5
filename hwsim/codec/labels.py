"""What sizes of a map are called wherever they are shown: those of coders, and what stands beside them."""

from __future__ import annotations

from collections.abc import Iterable

from hwsim.codec import registry

RAW = "raw"
SEG = "seg"
STORED = "seg_stored"
ZSTD = "zstd"
BOUND = "entropy"
_BESIDE = {
    RAW: ("raw words", "words of the map's full width, as the dense baseline keeps them"),
    STORED: (
        "SEG as stored",
        "SEG in the machine's segments: each padded to 64-bit words, and the index beside them",
    ),
    ZSTD: ("zstd", "Zstandard on bytes, or on little-endian words above 8 bits: a coder of software"),
}


def label(name: str) -> str:
    """The short name in tables and plots."""
    return _BESIDE[name][0] if name in _BESIDE else registry.coder_class(name).label


def meaning(name: str) -> str:
    """What that is, half a sentence."""
    return _BESIDE[name][1] if name in _BESIDE else registry.coder_class(name).meaning


def in_order(names: Iterable[str]) -> list[str]:
    """As they are shown: raw words, SEG and SEG as stored, the other coders, the bound last."""
    coders = [name for name in registry.names() if name not in (SEG, BOUND)]
    known = set(names)
    return [name for name in (RAW, SEG, STORED, *coders, ZSTD, BOUND) if name in known]
