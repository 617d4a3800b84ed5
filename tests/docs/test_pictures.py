"""Pictures that are drawn from a simulation show what happens there."""

from docs_scripts import load

from hwsim.arch import DRAIN_LATENCY


def test_the_picture_of_a_pass_has_what_a_core_does_in_its_cycles():
    script = load("rtl_timing")
    rows = dict(zip((title for title, _ in script.ROWS), script.happenings(script.simulate()), strict=True))
    happens = {title.split(",")[0]: cycles for title, cycles in rows.items()}
    # Each of the map's three rows is a line. Of its 11 values those of the middle row, one, have two taps.
    assert len(happens["line of the map buffer read"]) == 3
    assert len(happens["tap leaves the scatter unit"]) == 12
    assert len(happens["sum read by the drain"]) == len(happens["value into the encoder"]) == 2 * 2 * 6
    assert happens["done"] == [happens["sum read by the drain"][-1] + DRAIN_LATENCY]
    # Two segments of a word each: the last one leaves 12 cycles, its values, after the one before.
    first, last = happens["word out"]
    assert happens["done"][0] < first
    assert last - first == 12
