"""Geometry of layers of every kind that a core runs, as hypothesis draws it."""

from hypothesis import strategies as st

from hwsim.layer import Kind, Layer


@st.composite
def any_axis(
    draw, transposed: bool, size: int, *, most_kernel: int = 7, most_stride: int = 5
) -> tuple[int, int, int, int, int]:
    """Outputs, kernel, stride, padding and dilation along an axis; transposed ones are not dilated."""
    kernel, stride = draw(st.integers(1, most_kernel)), draw(st.integers(1, most_stride))
    dilation = draw(st.integers(1, 4)) if kernel > 1 and not transposed else 1
    reach = (kernel - 1) * dilation
    padding = draw(st.integers(0, (size - 1) * stride + reach if transposed else reach))
    if transposed:
        last = (size - 1) * stride + reach - padding  # the last output that a tap reaches
        outputs = draw(st.integers(1, last + stride))
    else:
        outputs = draw(st.integers(1, (size - 1 + padding) // stride + 1))
    return outputs, kernel, stride, padding, dilation


@st.composite
def any_layer(
    draw, kind: Kind, in_shape: tuple[int, int, int], filters: int, *, names=("l", "x", None), **limits: int
) -> Layer:
    """A layer of any geometry on a map, with ``names`` of the layer, its input and its output."""
    transposed = draw(st.sampled_from([False, False, False, True]))
    if kind == "depthwise":  # a core takes no more
        limits = {**limits, "most_kernel": min(8, limits.get("most_kernel", 7))}
    axes = [draw(any_axis(transposed, size, **limits)) for size in in_shape[1:]]
    made, kernel, stride, padding, dilation = zip(*axes, strict=True)
    name, source, output = names
    common = [n for n in range(1, 7) if in_shape[0] % n == 0 and filters % n == 0]
    groups = 1 if kind == "depthwise" else draw(st.sampled_from([1, *common, *common[1:]]))
    return Layer(
        name,
        kind,
        source,
        in_shape,
        (filters, *made),
        kernel,
        stride,
        padding,
        relu=draw(st.booleans()),
        clamped=draw(st.booleans()),
        output=output,
        dilation=dilation,
        transposed=transposed,
        groups=groups,
    )
