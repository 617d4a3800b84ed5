"""SegEncoder and SegmentEncoder against their golden model, bit for bit and cycle by cycle."""

import pytest
from simulate import run_bench

from hwsim.arch import Arch
from hwsim.machine.descriptors import segment_room
from hwsim_rtl.codec.encoder import SegEncoder, SegmentEncoder


@pytest.mark.parametrize(("activation_bits", "longest", "passes"), [(16, 33, 34), (4, 9, 27)])
def test_words_and_index_equal_the_golden_model(activation_bits, longest, passes):
    run_bench(
        SegEncoder(Arch(activation_bits=activation_bits)),
        "encoder",
        activation_bits=activation_bits,
        longest=longest,
        passes=passes,
    )


@pytest.mark.parametrize(("bits", "columns", "accumulators"), [(16, 2, 64), (5, 4, 16)])
def test_every_segment_has_the_form_of_fewer_words(bits, columns, accumulators):
    fields = {"activation_bits": bits, "columns": columns, "accumulators": accumulators}
    arch = Arch(**fields)
    room = segment_room(arch)
    run_bench(SegmentEncoder(arch), "segment_encoder", arch=fields, room=room, passes=120)
