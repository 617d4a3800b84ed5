"""What a core is told of a pass, by hand; that the RTL does the right thing with it is shown in tests/rtl."""

from dataclasses import replace

import numpy as np
import pytest

from hwsim.arch import Arch
from hwsim.errors import ArchError
from hwsim.machine.descriptors import Code, PassGeometry, lane_weights

ARCH = Arch(columns=4, accumulators=256, weight_words=640)  # 8 sub-banks of 32 words
PASS = PassGeometry(
    depthwise=False,
    channels=5,
    height=6,
    width=33,
    kernel=(3, 2),
    stride=2,
    padding=(1, 0),
    out_width=16,
    owned=(0, 2),
    out_channels=3,
    block=4,
    out_block=2,
    source=Code(8, 3),
    target=Code(6, 1, signed=True),
    shift=9,
    relu=False,
)


def test_row_descriptors_by_hand():
    # Output row 0 reads rows -1, 0, 1; row 2 reads rows 3, 4, 5. A row of 16 pixels takes one sub-bank.
    assert PASS.row_descriptors(ARCH) == [
        {"taps": 0b010, "sub_banks": [0] * 7, "newest": 0, "done": 0},
        {"taps": 0b100, "sub_banks": [0] * 7, "newest": 0, "done": 1},
        {"taps": 0b001, "sub_banks": [1, 0, 0, 0, 0, 0, 0], "newest": 1, "done": 0},
        {"taps": 0b010, "sub_banks": [0, 1, 0, 0, 0, 0, 0], "newest": 1, "done": 0},
        {"taps": 0b100, "sub_banks": [0, 0, 1, 0, 0, 0, 0], "newest": 1, "done": 1},
    ]


def test_a_row_that_two_owned_rows_read_and_a_ring_that_comes_round():
    rows = replace(PASS, stride=1, owned=range(6), out_width=32).row_descriptors(ARCH)
    # Input row 3 meets output row 4 through kernel row 0, 3 through 1, 2 through 2; the ring has 4 rows.
    assert rows[3] == {"taps": 0b111, "sub_banks": [0, 3, 2, 0, 0, 0, 0], "newest": 4, "done": 1}
    assert rows[5] == {"taps": 0b110, "sub_banks": [0, 1, 0, 0, 0, 0, 0], "newest": 5, "done": 2}


def test_the_configuration_by_hand():
    assert PASS.config(ARCH) == {
        "decoder": {
            "order": 3,
            "compressed": 1,
            "skip_zeros": 1,
            "raw_bits": 8,
            "rows": 5,
            "segments": 2,
            "full_values": 4 * 33,
            "tail_values": 33,
        },
        "encoder": {"order": 1, "compressed": 1, "raw_bits": 6},
        "requantize": {"shift": 9, "relu": 0, "bits": 6, "signed": 1},
        "depthwise": 0,
        "signed_input": 0,
        "width": 33,
        "reciprocal": 127101,  # 2^22 / 33 is 127,100.1
        "reciprocal_shift": 6,
        "padding": 0,
        "stride_two": 1,
        "kernel_width": 2,
        "column_limit": 30,
        "channel_words": 6,
        "segment_words": 24,
        "pass_words": 30,
        "out_width": 16,
        "ring": 4,
        "row_sub_banks": 1,
        "owned": 2,
        "channels": 3,
        "out_block": 2,
    }


def test_weights_lie_by_output_channel_or_by_tap():
    weights = np.arange(12).reshape(3, 2, 1, 2)
    assert lane_weights(weights, 4, depthwise=False).tolist() == [
        [0, 4, 8, 0],
        [1, 5, 9, 0],
        [2, 6, 10, 0],
        [3, 7, 11, 0],
    ]
    taps = np.arange(1, 13).reshape(2, 1, 3, 2)
    assert lane_weights(taps, 4, depthwise=True).tolist() == [
        [1, 2, 3, 4],
        [5, 6, 0, 0],
        [7, 8, 9, 10],
        [11, 12, 0, 0],
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kernel": (8, 2)}, "kernel height: the core takes 1 .. 7, this pass needs 8"),
        ({"stride": 3}, "stride: the core takes 1 .. 2"),
        ({"shift": 48}, "shift: the core takes 1 .. 47"),
        ({"channels": 108}, "weight words: the core takes 1 .. 640, this pass needs 648"),
        ({"source": Code(8, 16)}, "order of the input map: the core takes 0 .. 15"),
        ({"target": Code(1, 0, signed=True)}, "bits of the output map: the core takes 2 .. 16"),
        ({"owned": ()}, "owned rows: the core takes 1"),
    ],
)
def test_a_pass_that_the_core_cannot_do_is_refused_with_number_and_range(change, message):
    with pytest.raises(ArchError, match=message):
        replace(PASS, **change).config(ARCH)
