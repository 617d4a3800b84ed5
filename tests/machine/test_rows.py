"""The input rows of a pass, against the definition of a convolution taken row by row."""

from hypothesis import given
from hypothesis import strategies as st

from hwsim.machine.rows import rows_between


@st.composite
def passes(draw) -> tuple[list[int], int, int, int, int]:
    """Owned output rows, H, Kh, stride and padding, such that every output row reaches into the map."""
    height, kernel, stride = draw(st.integers(1, 12)), draw(st.integers(1, 7)), draw(st.integers(1, 4))
    padding = draw(st.integers(0, kernel - 1))
    outputs = range(1 + (height - 1 + padding) // stride)
    owned = draw(st.sets(st.sampled_from(outputs), min_size=1))
    return sorted(owned), height, kernel, stride, padding


@given(passes())
def test_rows_meet_what_the_convolution_says(case):
    owned, height, kernel, stride, padding = case
    rows = rows_between(*case)
    reads = {  # output row -> input rows, None where it is padding
        row: [y if 0 <= (y := row * stride - padding + k) < height else None for k in range(kernel)]
        for row in owned
    }
    assert rows.owned == len(owned)
    assert rows.y.tolist() == sorted({y for read in reads.values() for y in read if y is not None})
    for y, meets, reach, newest, done in zip(
        rows.y, rows.meets, rows.reach, rows.newest, rows.done, strict=True
    ):
        through = {k: row for row in owned for k in range(kernel) if reads[row][k] == y}
        assert [None if q < 0 else owned[q] for q in meets] == [through.get(k) for k in range(kernel)]
        assert reach == len(through)
        assert owned[newest] == max(through.values())
        assert done == sum(max(y for y in read if y is not None) == y for read in reads.values())
