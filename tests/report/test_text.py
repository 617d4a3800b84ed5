"""Numbers and names as a reader sees them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwsim.report import text


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0"),
        (7, "7"),
        (999, "999"),
        (1000, "1.00 k"),
        (1234, "1.23 k"),
        (99_960, "100 k"),
        (2.5e6, "2.50 M"),
    ],
)
def test_counts_have_three_digits_and_a_prefix(value, shown):
    assert text.count(value) == shown


@pytest.mark.parametrize(
    ("shown", "tick"),
    [
        ("20.0 k", "20 k"),
        (f"1.00{text.TIMES}", f"1{text.TIMES}"),
        ("1.05 M", "1.05 M"),
        ("0.10", "0.10"),
        ("200 B", "200 B"),
    ],
)
def test_an_axis_has_no_zeros_behind_the_point(shown, tick):
    assert text.bare(shown) == tick


def test_units_follow_the_value():
    assert text.size(512) == "512 B"
    assert text.size(63_300) == "63.3 kB"
    assert text.energy(0.145) == "145 nJ"
    assert text.energy(13.24) == "13.2 µJ"
    assert text.seconds(4.32e-6) == "4.32 µs"
    assert text.duration(4.32) == "4.32 µs"


@given(st.floats(1e-3, 1e15))
def test_a_count_is_within_half_a_percent_of_its_value(value):
    number, *prefix = text.count(value).split()
    scale = {"": 1, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15}[prefix[0] if prefix else ""]
    assert float(number) * scale == pytest.approx(value, rel=5.1e-3, abs=5.1e-3)


def test_a_ratio_without_bound_is_shown_as_such():
    assert text.factor(None) == "∞"
    assert text.percent(None) == "-"
    assert text.factor(1.5) == f"1.50{text.TIMES}"


@given(st.text())
def test_a_label_is_one_printable_line_of_limited_length(name):
    shown = text.label(name, 20)
    assert len(shown) <= 20
    assert shown.isprintable()
    assert (
        "".join(c for c in name if c.isprintable())[:5] == shown.replace("\ufffd", "")[:5]
        or "\ufffd" in shown
    )


def test_a_long_list_says_how_long_it_is():
    assert text.value(list(range(100))) == "0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, … (100 in all)"
    assert text.value({"a": [0.123456, True], "b": None}) == "a: 0.1235, yes, b: None"
