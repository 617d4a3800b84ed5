"""What a decoding loop may find wrong, as numbers that compiled code returns and as errors."""

from __future__ import annotations

import numpy as np

from hwsim.arch import WORD_BITS
from hwsim.errors import CodecError

OK, TRUNCATED, ILLEGAL, OUT_OF_RANGE, PADDING, COUNT = range(6)
_TEXTS = {
    TRUNCATED: "truncated data: it ends inside the code",
    ILLEGAL: "illegal prefix: no code that may stand here begins like this",
    OUT_OF_RANGE: "value outside 0..{largest}",
    PADDING: "more than padding follows the last value",
    COUNT: "not as many non-zeros as the index says",
}


def check(problem: int, bit: int, where: str, largest: int) -> None:
    """Raise what a decoding loop found at ``bit``; ``where`` says it in other words.

    Raises:
        CodecError: unless ``problem`` is OK.
    """
    if problem != OK:
        raise CodecError(f"{_TEXTS[problem].format(largest=largest)} at bit {bit} ({where})")


def check_padding(data: np.ndarray, bit: int) -> None:
    """See that nothing but padding follows in uint8 data from ``bit`` on.

    Raises:
        CodecError: 64 bits or more, or a bit that is not zero.
    """
    rest = 8 * len(data) - bit
    if rest >= WORD_BITS:
        raise CodecError(
            f"{rest} bits follow the last value at bit {bit}; padding has fewer than {WORD_BITS}"
        )
    tail = data[bit >> 3 :]
    if rest and (tail[0] & (0xFF >> (bit & 7)) or tail[1:].any()):
        raise CodecError(f"the padding behind the last value, from bit {bit} on, is not zero")


def check_canonical(data: np.ndarray, again: np.ndarray) -> None:
    """See that data are what the encoder makes of the values that they hold, ``again``, and padding.

    For codes in which other bits could stand for the same values, which no decoder needs to know then.

    Raises:
        CodecError: they are not; names the first bit that differs.
    """
    if np.array_equal(data[: len(again)], again):
        return
    common = min(len(data), len(again))
    byte = int(np.argmax(np.append(data[:common] != again[:common], True)))
    bit = 8 * byte
    if byte < common:
        bit += 8 - int(data[byte] ^ again[byte]).bit_length()
    raise CodecError(f"no encoder writes this: other bits, from bit {bit} on, stand for the same values")
