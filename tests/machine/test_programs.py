"""Where things lie of which a program says nothing, by hand; tests/program reads the programs themselves."""

import numpy as np
import pytest
from page_parser import tables
from random_programs import WholeTrace

from hwsim.arch import Arch
from hwsim.errors import ArchError
from hwsim.layer import Layer
from hwsim.machine.descriptors import POOL_FIELDS
from hwsim.machine.programs import (
    LAYER_FIELDS,
    PASS_FIELDS,
    RawPlaces,
    clamps_of,
    masks_at,
    pack,
    raw_places,
    unpack,
)
from hwsim.program import compile_network, load


def test_a_raw_map_lies_behind_the_index_of_what_is_made_of_it():
    layer = {"out_block": 2, "out_width": 9, "out_height": 5, "units": 3, "unit_segments": 2}
    following = {"height": 10, "map_segments": 5, "index_line": 5}
    # 50 entries of the index take 4 lines of 16, from line 5 on: line 9 begins with word 72. A segment has 18
    # values of 12 bits, 4 words; a row six segments.
    assert raw_places(layer, following, 12) == RawPlaces(first=72, place=4, row=24, end=72 + 5 * 24)


def test_a_sequencer_has_room_for_a_program_of_2048_words_behind_its_descriptor(tmp_path):
    def network(made: int) -> WholeTrace:
        layer = Layer("fc", "linear", "m0", (1, 1, 1), (made, 1, 1))
        return WholeTrace((layer,), {"m0": np.ones((1, 1, 1, 1), np.uint16)}, 0, 8)

    # One column: a pass of 8 bytes for each value that is made, and a byte that says of which row. With 2047
    # of them that takes 16,377 bytes, in whole beats behind a descriptor of 64 bytes 16,448.
    one = Arch(cores=1, columns=1)
    compile_network(network(2047), one).write(tmp_path / "image.bin")
    assert load(tmp_path / "image.bin").number("program_bytes") == 64 + 2048 * 8
    with pytest.raises(ArchError, match="program takes 16480 bytes, the sequencer has room for 16448: raise"):
        compile_network(network(2048), one)


@pytest.mark.parametrize(
    ("fields", "table", "size"), [(PASS_FIELDS, 1, 8), (LAYER_FIELDS, 2, 64), (POOL_FIELDS, 3, 8)]
)
def test_every_field_has_the_bits_of_the_page(fields, table, size):
    page = tables()[table]
    most = {name: (1 << bits) - 1 for name, (_, bits) in page.items()}
    for name, (first, bits) in page.items():
        data = pack(fields, dict.fromkeys(page, 0) | {name: most[name]}, size)
        assert data == (most[name] << first).to_bytes(size, "little")
        assert unpack(fields, data) == dict.fromkeys(page, 0) | {name: most[name], "unused": 0}
        for value in (1 << bits, -1):
            with pytest.raises(ValueError, match=f"^{name}: at most {most[name]}, not {value}$"):
                pack(fields, most | {name: value}, size)
    unused = 8 * size - sum(bits for _, bits in page.values())
    assert unpack(fields, b"\xff" * size) == most | {"unused": (1 << unused) - 1}


def test_clamps_are_two_numbers_of_17_bits_behind_the_descriptor():
    # -106 is 0x1ff96 in 17 bits, and 149 from bit 17 on.
    word = 0x1FF96 + (149 << 17)
    program = bytes(64) + word.to_bytes(8, "little") + b"passes"
    assert clamps_of({"clamped": 1}, program) == (-106, 149)
    assert clamps_of({"clamped": 0}, program) is None
    assert (masks_at(0, 3, 5), masks_at(1, 3, 5)) == (64 + 8 * 15, 64 + 8 + 8 * 15)
    with pytest.raises(ValueError, match="above its clamps"):
        clamps_of({"clamped": 1}, bytes(64) + (word + (1 << 34)).to_bytes(8, "little"))
