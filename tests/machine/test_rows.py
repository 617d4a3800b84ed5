"""The input rows of a pass, against the definition of a convolution taken row by row."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from layers import any_axis
from reference_rows import lands, order_of_draining, order_of_reading, ring_rows, rows_awaited

from hwsim.layer import Layer
from hwsim.machine.rows import input_rows, row_order


@st.composite
def passes(draw) -> tuple[Layer, list[int]]:
    """Owned output rows of a layer of any geometry along y, in the order of draining."""
    transposed = draw(st.booleans())
    height = draw(st.integers(1, 12))
    rows, kernel, stride, padding, dilation = draw(
        any_axis(transposed, height, most_kernel=16, most_stride=16)
    )
    layer = Layer(
        "l",
        "conv",
        "x",
        (1, height, 1),
        (1, rows, 1),
        (kernel, 1),
        (stride, 1),
        (padding, 0),
        dilation=(dilation, 1),
        transposed=transposed,
    )
    owned = draw(st.sets(st.integers(0, rows - 1), min_size=1))
    return layer, [row for row in order_of_draining(layer) if row in owned]


@given(passes())
def test_rows_meet_what_the_convolution_says(case):
    layer, owned = case
    rows, awaited = input_rows(layer, owned), rows_awaited(layer)
    kernel = range(layer.kernel[0])
    assert rows.owned == len(owned)
    read = [y for y in order_of_reading(layer) if any(y in awaited[row] for row in owned)]
    assert rows.y.tolist() == read
    through = [[lands(layer, 0, y, k) for k in kernel] for y in read]
    met = [[owned.index(row) if row in owned else -1 for row in each] for each in through]
    assert rows.meets.tolist() == met
    assert rows.reach.tolist() == [sum(q >= 0 for q in each) for each in met]
    assert rows.newest.tolist() == [max(0, *each) for each in met]
    assert rows.done.tolist() == [sum(awaited[row][-1] == y for row in owned) for y in read]


@given(passes())
def test_the_order_is_that_of_the_phases_and_the_ring_holds_what_is_open(case):
    layer, _ = case
    order = row_order(layer)
    assert order.reads.tolist() == order_of_reading(layer)
    assert order.makes.tolist() == order_of_draining(layer)
    assert order.ring == ring_rows(layer)


@pytest.mark.parametrize("kernel", range(1, 17))
@pytest.mark.parametrize("stride", range(1, 17))
def test_a_ring_has_as_many_rows_as_strides_fit_in_the_kernel_and_one_more(kernel, stride):
    rows = 20
    layer = Layer(
        "l", "conv", "x", (1, (rows - 1) * stride + kernel, 1), (1, rows, 1), (kernel, 1), (stride, 1)
    )
    assert row_order(layer).ring == -(-kernel // stride) + 1


@given(st.integers(1, 7), st.integers(1, 4), st.integers(2, 9))
def test_dilation_takes_no_more_rows(kernel, stride, dilation):
    reach = (kernel - 1) * dilation
    layer = Layer(
        "l",
        "conv",
        "x",
        (1, 60 + reach, 1),
        (1, 59 // stride + 1, 1),
        (kernel, 1),
        (stride, 1),
        dilation=(dilation, 1),
    )
    assert row_order(layer).ring <= kernel + 1
    if stride == 1:
        assert row_order(layer).ring == min(kernel, -(-60 // dilation)) + 1
