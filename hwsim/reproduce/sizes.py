"""How small every coder makes an activation map at several widths."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numcodecs.zstd import Zstd

from hwsim import codec
from hwsim.codec import labels
from hwsim.codec.entropy import Entropy
from hwsim.codec.labels import RAW, ZSTD
from hwsim.codec.mapping import to_unsigned
from hwsim.quantize import code_limit, integers
from hwsim.reproduce.entry import Width
from hwsim.trace import MapInfo

WIDTHS = (16, 12, 8)
ZSTD_LEVEL = 3


def narrowed(codes: np.ndarray, info: MapInfo, bits: int) -> np.ndarray:
    """Codes of fewer bits, uint16: what quantization of the real values with the same range gives.

    The values are rounded twice, first to ``info.bits``: a value within half a step of the wide codes beside
    a tie of the narrow ones can come out one code apart.

    Args:
        codes: of ``info.bits`` bits.
        info: of the map.
        bits: of the result, at most ``info.bits``.
    """
    if bits == info.bits:
        return codes
    factor = code_limit(bits, info.signed) / code_limit(info.bits, info.signed)
    rounded = np.rint(integers(codes, info.signed) * factor).astype(np.int64)
    return (to_unsigned(rounded) if info.signed else rounded).astype(np.uint16)


def sizes_of(codes: np.ndarray, info: MapInfo, bits: int) -> Width:
    """A map of all pictures as one array under every coder, one order and one histogram for all of it.

    SEG has the order of the trace, which calibration chose, at the width of the trace; at others, and
    so has every other coder, the best one for these values. zstd codes bytes, or little-endian words above
    8 bits.

    Args:
        codes: uint16 (N, C, H, W), of ``bits`` bits.
        info: of the map.
        bits: of the codes.
    """
    found = {RAW: codes.size * bits}
    found |= codec.sizes(codes, bits, info.order if bits == info.bits else None)
    words = codes.astype(np.uint8 if bits <= 8 else "<u2")
    found[ZSTD] = 8 * len(Zstd(level=ZSTD_LEVEL).encode(np.ascontiguousarray(words)))
    distinct = Entropy(bits).estimate(codes).distinct
    return Width(
        int(np.count_nonzero(codes)), distinct, {name: found[name] for name in labels.in_order(found)}
    )


def all_widths(codes: np.ndarray, info: MapInfo, widths: Sequence[int] = WIDTHS) -> dict[str, Width]:
    """:func:`sizes_of` at the map's own width, and at those of ``widths`` below it; the widest first."""
    possible = sorted({info.bits, *(bits for bits in widths if bits < info.bits)}, reverse=True)
    return {str(bits): sizes_of(narrowed(codes, info, bits), info, bits) for bits in possible}
