"""Random operators between maps, with what they read and make, for tests."""

from __future__ import annotations

from dataclasses import replace
from math import prod
from typing import Any

from hypothesis import strategies as st

from hwsim.between import (
    Add,
    AveragePool,
    Channels,
    Clip,
    Concatenate,
    Crop,
    MaxPool,
    Pad,
    Rescale,
    Reshape,
    Resize,
    Strided,
    Value,
)

KINDS = (
    *("max_pool", "average_pool", "add", "rescale", "clip", "concatenate", "channels", "reshape", "crop"),
    *("pad", "resize", "strided"),
)
SIZES = st.tuples(st.integers(1, 3), st.integers(1, 6), st.integers(1, 6))


def formats(name: str, shape: Any) -> st.SearchStrategy[Value]:
    """Values of a shape, of any width and scale."""
    return st.builds(
        lambda wide, signed, scale: Value(name, shape, max(wide, 1 + signed), signed, scale),
        st.integers(1, 16),
        st.booleans(),
        st.sampled_from([0.25, 0.75]),
    )


@st.composite
def case(draw: Any, kind: str, value: Value | None = None) -> tuple[Any, list[Value], Value]:
    """An operator, the values that it reads (the first may be given) and the one that it makes."""
    value = value or draw(formats("a", draw(SIZES)))
    channels, height, width = value.shape
    read, output = (value.name,), f"{value.name}_{kind}"

    def like(shape: Any) -> Value:
        return Value(output, tuple(shape), value.bits, value.signed, value.scale)

    if kind in ("max_pool", "average_pool"):
        kernel, stride, padding, sizes = zip(*(draw(windows(size)) for size in (height, width)), strict=True)
        padding = (padding[0][0], padding[1][0], padding[0][1], padding[1][1])
        if kind == "max_pool":
            return MaxPool(read, output, kernel, stride, padding), [value], like((channels, *sizes))
        made = draw(formats(output, (channels, *sizes)))
        (low, high), (shift, most) = draw(clamps(made)), draw(scaling())
        pool = AveragePool(read, output, low, high, shift, kernel, stride, padding, draw(st.booleans()), ())
        counts = sorted(set(pool.counts(value.shape, made.shape).ravel().tolist()))
        table = tuple((count, draw(st.integers(-most, most))) for count in counts)
        return replace(pool, multipliers=table), [value], made
    if kind in ("add", "rescale", "clip"):
        made = draw(formats(output, value.shape))
        low, high = draw(clamps(made))
        if kind == "clip":
            made = Value(output, value.shape, made.bits, made.signed, value.scale)
            return Clip(read, output, low, high), [value], made
        shift, most = draw(scaling())
        multipliers = st.integers(-most, most)
        if kind == "add":
            other = draw(formats("b", value.shape))
            pair = (draw(multipliers), draw(multipliers))
            return Add((value.name, other.name), output, low, high, shift, pair), [value, other], made
        many = draw(st.sampled_from([1, channels]))
        factors, offsets = (
            tuple(draw(st.lists(each, min_size=many, max_size=many)))
            for each in (multipliers, st.integers(-(1 << 47), 1 << 47))
        )
        return Rescale(read, output, low, high, shift, factors, offsets), [value], made
    if kind == "concatenate":
        parts = [value]
        for name in ("b", "c")[: draw(st.integers(0, 2))]:
            bits = draw(st.integers(1 + value.signed, value.bits))
            shape = (draw(st.integers(1, 2)), height, width)
            parts.append(Value(name, shape, bits, value.signed, value.scale))
        made = like((sum(part.shape[0] for part in parts), height, width))
        return Concatenate(tuple(part.name for part in parts), output), parts, made
    if kind == "channels":
        chosen = tuple(draw(st.lists(st.integers(0, channels - 1), min_size=1, max_size=5)))
        return Channels(read, output, chosen), [value], like((len(chosen), height, width))
    if kind == "reshape":
        shape = draw(st.sampled_from([(channels * height * width, 1, 1), (height, width, channels)]))
        axes = draw(st.permutations([0, 1, 2]))
        return Reshape(read, output, tuple(axes)), [value], like(shape)
    if kind == "crop":
        start = (draw(st.integers(0, height - 1)), draw(st.integers(0, width - 1)))
        step = (draw(st.integers(1, 3)), draw(st.integers(1, 3)))
        most = [
            (size - 1 - first) // by + 1 for size, first, by in zip(value.shape[1:], start, step, strict=True)
        ]
        made = like((channels, *(draw(st.integers(1, each)) for each in most)))
        return Crop(read, output, start, step), [value], made
    if kind == "pad":
        before, behind = (tuple(draw(st.integers(0, 2)) for _ in range(3)) for _ in range(2))
        made = like(sum(sizes) for sizes in zip(before, value.shape, behind, strict=True))
        return Pad(read, output, before), [value], made
    if kind == "strided":
        loops: list[tuple[int, int]] = []
        reach = [0, 0]
        for _ in range(draw(st.integers(0, 4))):
            room = channels * height * width - 1 - reach[1] + reach[0]
            size = draw(st.integers(1, 4))
            most = room // (size - 1) if size > 1 else 5
            step = draw(st.integers(-most, most))
            loops.append((size, step))
            reach[step > 0] += (size - 1) * step
        start = draw(st.integers(-reach[0], channels * height * width - 1 - reach[1]))
        often, steps = tuple(n for n, _ in loops), tuple(n for _, n in loops)
        made = like(draw(st.permutations([1, 1, prod(often)])))
        return Strided(read, output, start, often, steps), [value], made
    rows, columns = (
        tuple(draw(st.lists(st.integers(0, 256 * (size - 1)), min_size=1, max_size=6)))
        for size in (height, width)
    )
    return Resize(read, output, rows, columns), [value], like((channels, len(rows), len(columns)))


@st.composite
def windows(draw: Any, size: int) -> tuple[int, int, tuple[int, int], int]:
    """Kernel, stride, padding (before, behind) and outputs along an axis: every window sees some pixels."""
    kernel, stride = draw(st.integers(1, 5)), draw(st.integers(1, 4))
    before, behind = draw(st.integers(0, kernel - 1)), draw(st.integers(0, 3))
    outputs = draw(st.integers(1, (size - 1 + before) // stride + 1))
    return kernel, stride, (before, behind), outputs


def scaling() -> st.SearchStrategy[tuple[int, int]]:
    """A shift, and the largest multiplier: extremes, and what leaves values in their range."""
    return st.sampled_from([(1, 3), (8, 600), (17, 65535), (20, 65535), (47, 65535)])


@st.composite
def clamps(draw: Any, made: Value) -> tuple[int, int]:
    """Low and high within the range of a value."""
    least, largest = made.limits
    return draw(
        st.one_of(
            st.just((least, largest)),
            st.tuples(st.integers(least, largest), st.integers(least, largest)).map(
                lambda p: (min(p), max(p))
            ),
        )
    )
