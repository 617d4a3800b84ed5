"""Random layers of every kind for property tests."""

from __future__ import annotations

from hypothesis import strategies as st

from hwsim.layer import Layer


@st.composite
def layers(draw, transposed: bool = True) -> Layer:
    """A small layer: any kind, groups, strides, dilation and padding, transposed if that is wanted.

    Outputs reach from one to as many as the layer may have: those behind it would see nothing but padding.
    """
    kind = draw(st.sampled_from(["conv", "conv", "depthwise", "linear"]))
    groups = draw(st.integers(1, 3)) if kind == "conv" else 1
    channels, filters = groups * draw(st.integers(1, 3)), groups * draw(st.integers(1, 3))
    size = (draw(st.integers(1, 8)), draw(st.integers(1, 8)))
    if kind == "linear":
        return Layer("l", kind, "x", (channels, *size), (filters, *size))
    turned = transposed and kind == "conv" and draw(st.booleans())
    kernel = (draw(st.integers(1, 4)), draw(st.integers(1, 4)))
    stride = (draw(st.integers(1, 3)), draw(st.integers(1, 3)))
    dilation = (draw(st.integers(1, 3)), draw(st.integers(1, 3)))
    padding, out = [], []
    for length, taps, step, gap in zip(size, kernel, stride, dilation, strict=True):
        reach = (taps - 1) * gap
        before = draw(st.integers(0, (length - 1) * step + reach if turned else reach))
        spare = max(step, gap if taps > 1 else 1) - 1
        most = (
            (length - 1) * step + reach - before + spare + 1 if turned else (length - 1 + before) // step + 1
        )
        padding.append(before)
        out.append(draw(st.integers(1, most)))
    return Layer(
        name="l",
        kind=kind,
        input="x",
        in_shape=(channels, *size),
        out_shape=(channels if kind == "depthwise" else filters, *out),
        kernel=kernel,
        stride=stride,
        padding=(padding[0], padding[1]),
        groups=groups,
        dilation=dilation,
        transposed=turned,
    )
