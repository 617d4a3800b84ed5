"""Where things lie of which a program says nothing, by hand; tests/program reads the programs themselves."""

from hwsim.machine.programs import RawPlaces, raw_places


def test_a_raw_map_lies_behind_the_index_of_what_is_made_of_it():
    layer = {"out_block": 2, "out_width": 9, "out_height": 5, "units": 3, "unit_segments": 2}
    following = {"height": 10, "map_segments": 5, "index_line": 5}
    # 50 entries of the index take 4 lines of 16, from line 5 on: line 9 begins with word 72. A segment has 18
    # values of 12 bits, 4 words; a row six segments.
    assert raw_places(layer, following, 12) == RawPlaces(first=72, place=4, row=24, end=72 + 5 * 24)
