"""What a core is told of a pass, by hand; that the RTL does the right thing with it is shown in tests/rtl."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from layers import any_layer

from hwsim.arch import Arch
from hwsim.errors import ArchError
from hwsim.layer import Kind, Layer
from hwsim.machine.descriptors import (
    Code,
    PassGeometry,
    _reciprocal,
    check_arch,
    check_layer,
    column_weights,
    sub_bank_depth,
    weight_loads,
)
from hwsim.machine.mapping import map_blocks, map_layer

ARCH = Arch(columns=4, accumulators=256, weight_words=640)  # 8 sub-banks of 32 words
LAYER = Layer("l", "conv", "x", (5, 6, 33), (3, 3, 16), (3, 2), (2, 2), (1, 0))
PASS = PassGeometry(
    layer=LAYER,
    channels=5,
    owned=(0, 2),
    out_channels=3,
    block=4,
    out_block=2,
    source=Code(8, 3),
    target=Code(6, 1, signed=True),
    shift=9,
    relu=False,
)


def banks(*first: int) -> list[int]:
    """The sub-banks of all kernel rows."""
    return [*first, *[0] * (16 - len(first))]


def test_row_descriptors_by_hand():
    # Output row 0 reads rows -1, 0, 1; row 2 reads rows 3, 4, 5. A row of 16 pixels takes one sub-bank.
    assert PASS.row_descriptors(ARCH) == [
        {"taps": 0b010, "sub_banks": banks(), "newest": 0, "done": 0},
        {"taps": 0b100, "sub_banks": banks(), "newest": 0, "done": 1},
        {"taps": 0b001, "sub_banks": banks(1), "newest": 1, "done": 0},
        {"taps": 0b010, "sub_banks": banks(0, 1), "newest": 1, "done": 0},
        {"taps": 0b100, "sub_banks": banks(0, 0, 1), "newest": 1, "done": 1},
    ]


def test_a_row_that_two_owned_rows_read_and_a_ring_that_comes_round():
    layer = Layer("l", "conv", "x", (5, 6, 33), (3, 6, 32), (3, 2), 1, (1, 0))
    rows = replace(PASS, layer=layer, owned=range(6)).row_descriptors(ARCH)
    # Input row 3 meets output row 4 through kernel row 0, 3 through 1, 2 through 2; the ring has 4 rows.
    assert rows[3] == {"taps": 0b111, "sub_banks": banks(0, 3, 2), "newest": 4, "done": 1}
    assert rows[5] == {"taps": 0b110, "sub_banks": banks(0, 1), "newest": 5, "done": 2}


def test_rows_of_two_sub_banks_each():
    # Forty pixels of a row take two sub-banks of 32 words: the second row of the ring begins at 2, the third
    # at 4.
    layer = Layer("l", "conv", "x", (5, 6, 40), (3, 6, 40), (3, 1), 1, (1, 0))
    rows = replace(PASS, layer=layer, owned=range(6)).row_descriptors(ARCH)
    assert rows[2] == {"taps": 0b111, "sub_banks": banks(6, 4, 2), "newest": 3, "done": 1}


def test_rows_of_a_dilated_layer_come_phase_by_phase():
    # Rows 0, 2, 4 of the map meet output rows 0, 2 alone, rows 1, 3 output row 1.
    layer = Layer("l", "conv", "x", (5, 5, 33), (3, 3, 32), (2, 1), dilation=(2, 1))
    rows = replace(PASS, layer=layer, owned=(0, 2, 1)).row_descriptors(ARCH)
    assert rows == [
        {"taps": 0b01, "sub_banks": banks(), "newest": 0, "done": 0},
        {"taps": 0b11, "sub_banks": banks(1), "newest": 1, "done": 1},
        {"taps": 0b10, "sub_banks": banks(0, 1), "newest": 1, "done": 1},
        {"taps": 0b01, "sub_banks": banks(2), "newest": 2, "done": 0},
        {"taps": 0b10, "sub_banks": banks(0, 2), "newest": 2, "done": 1},
    ]


def test_rows_that_no_tap_reaches_are_complete_with_the_row_before():
    # A transposed convolution of one tap and stride 2: every other output row is bias alone.
    layer = Layer("l", "conv", "x", (5, 2, 33), (3, 4, 32), (1, 1), 2, transposed=True)
    rows = replace(PASS, layer=layer, owned=range(4)).row_descriptors(ARCH)
    assert rows == [
        {"taps": 1, "sub_banks": banks(), "newest": 0, "done": 2},
        {"taps": 1, "sub_banks": banks(2), "newest": 2, "done": 2},
    ]


def test_the_configuration_by_hand():
    assert PASS.core_config(ARCH) == {
        "decoder": {
            "order": 3,
            "skip_zeros": 1,
            "raw_bits": 8,
            "rows": 5,
            "segments": 2,
            "full_values": 4 * 33,
            "tail_values": 33,
        },
        "encoder": {"order": 1, "compressed": 1, "raw_bits": 6},
        "requantize": {"shift": 9, "low": -31, "high": 31, "signed": 1},
        "depthwise": 0,
        "signed_input": 0,
        "width": 33,
        "reciprocal": 127101,  # 2^22 / 33 is 127,100.1
        "reciprocal_shift": 6,
        "column": {
            "factor": 1 << 16,  # half of 2^17
            "shift": 17 - 12,
            "channel": 33 << 16,
            "begin": 0,
            "padding": 0,
            "stride": 2,
        },
        "kernel_width": 2,
        "kernel_columns": [{"remainder": i % 2 if i < 2 else 0, "offset": 0} for i in range(16)],
        "channel_words": 6,
        "segment_words": 24,
        "pass_loads": 15,
        "out_width": 16,
        "ring": 3,
        "row_sub_banks": 1,
        "owned": 2,
        "channels": 3,
        "out_block": 2,
    }


def test_the_columns_of_a_transposed_layer_by_hand():
    # Three taps: u = 3 x - 1 + 2, and tap k leads to u - (2 - k).
    layer = Layer("l", "conv", "x", (5, 6, 10), (3, 6, 30), (1, 3), (1, 3), (0, 1), transposed=True)
    config = replace(PASS, layer=layer, owned=range(6)).core_config(ARCH)
    assert config["column"] == {
        "factor": 3 << 12,
        "shift": 0,
        "channel": 10 * 3 << 12,
        "begin": 1 << 12,
        "padding": 1,
        "stride": 0,
    }
    assert config["kernel_columns"][:3] == [{"remainder": 0, "offset": offset} for offset in (2, 1, 0)]


def test_a_padding_wider_than_a_transposed_kernel_begins_left_of_the_output():
    # One tap and a padding of 2: u = 3 x - 2, in two's complement of 34 bits, twelve behind the point.
    layer = Layer("l", "conv", "x", (5, 6, 10), (3, 6, 24), (1, 1), (1, 3), (0, 2), transposed=True)
    config = replace(PASS, layer=layer, owned=range(6)).core_config(ARCH)
    assert config["column"]["begin"] == 2**34 - (2 << 12)


def test_a_padding_wider_than_the_stride_by_hand():
    # v = (x + 5) mod 2 and u = (x + 5) div 2, of which tap k of seven leads to u - k div 2 if v is k mod 2.
    layer = replace(LAYER, kernel=(3, 7), padding=(1, 5), out_shape=(3, 3, 16))
    config = replace(PASS, layer=layer).core_config(ARCH)
    assert config["column"]["padding"] == 5
    assert config["column"]["begin"] == 5 << 16
    taps = [(tap["remainder"], tap["offset"]) for tap in config["kernel_columns"][:7]]
    assert taps == [(0, 0), (1, 0), (0, 1), (1, 1), (0, 2), (1, 2), (0, 3)]


def test_the_last_of_several_segments_holds_what_is_left():
    # Eleven channels in blocks of four are 4, 4 and 3.
    layer = replace(LAYER, in_shape=(11, 6, 33))
    decoder = replace(PASS, layer=layer, channels=11).core_config(ARCH)["decoder"]
    assert (decoder["segments"], decoder["full_values"], decoder["tail_values"]) == (3, 4 * 33, 3 * 33)


@pytest.mark.parametrize("code", ["source", "target"])
@pytest.mark.parametrize("order", [0, 15])
def test_the_least_and_the_largest_order_are_taken(code, order):
    replace(PASS, **{code: Code(8, order)}).check(ARCH)


def test_weights_lie_by_output_channel_or_by_tap():
    weights = np.arange(12).reshape(3, 2, 1, 2)
    assert column_weights(weights, 4, depthwise=False).tolist() == [
        [0, 4, 8, 0],
        [1, 5, 9, 0],
        [2, 6, 10, 0],
        [3, 7, 11, 0],
    ]
    taps = np.arange(1, 13).reshape(2, 1, 3, 2)
    assert column_weights(taps, 4, depthwise=True).tolist() == [
        [1, 2, 3, 4],
        [5, 6, 0, 0],
        [7, 8, 9, 10],
        [11, 12, 0, 0],
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"layer": replace(LAYER, stride=(17, 17), out_shape=(3, 1, 2))},
            "vertical stride: a core takes at most 16",
        ),
        ({"shift": 48}, "shift: the core takes 1 .. 47"),
        ({"channels": 108}, "weight words: the core takes 1 .. 640, this pass needs 648"),
        ({"source": Code(8, 16)}, "order of the input map: the core takes 0 .. 15"),
        ({"source": Code(0, 3)}, "bits of the input map: the core takes 1 .. 16, this pass needs 0"),
        ({"target": Code(1, 0, signed=True)}, "bits of the output map: the core takes 2 .. 16"),
        ({"owned": ()}, "owned rows: the core takes 1"),
    ],
)
def test_a_pass_that_the_core_cannot_do_is_refused_with_number_and_range(change, message):
    with pytest.raises(ArchError, match=message):
        replace(PASS, **change).core_config(ARCH)


@st.composite
def any_layers(draw) -> Layer:
    """Layers of one kind or another, also such as no core runs."""
    kind: Kind = draw(st.sampled_from(["conv", "depthwise"]))
    channels = draw(st.integers(1, 40))
    shape = (channels, draw(st.integers(1, 20)), draw(st.integers(1, 20) | st.integers(1000, 70_000)))
    filters = channels if kind == "depthwise" else draw(st.integers(1, 40))
    layer = draw(any_layer(kind, shape, filters, most_kernel=18, most_stride=18))
    columns = draw(st.integers(1, 300))
    return replace(layer, out_shape=(*layer.out_shape[:2], min(columns, layer.out_shape[2])))


@settings(max_examples=400)
@given(
    any_layers(),
    st.sampled_from([1, 2, 16, 64]),
    st.sampled_from([8, 64, 264, 1024, 4096]),
    st.sampled_from([50, 600, 9216]),
)
def test_whatever_the_model_maps_the_core_runs(layer, columns, accumulators, weight_words):
    arch = Arch(cores=3, columns=columns, accumulators=accumulators, weight_words=weight_words)
    try:
        block = map_blocks([layer], arch)["x"]
    except ArchError:
        return
    height, width = layer.in_shape[1:]
    counts = np.full((height, -(-layer.in_shape[0] // block)), block * width)
    mapping = map_layer(layer, arch, counts, block)
    code = Code(8, 3)
    for _, unit, group in mapping.rounds[0]:
        part = mapping.parts[unit]
        PassGeometry(
            layer=layer,
            channels=len(part.reads),
            owned=mapping.groups[group].tolist(),
            out_channels=len(part.makes),
            block=block,
            out_block=block,
            source=code,
            target=code,
            shift=9,
            relu=True,
        ).check(arch)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kernel": (17, 1)}, "layer wide: rows of the kernel: a core takes at most 16, this needs 17"),
        ({"kernel": (1, 20)}, "layer wide: columns of the kernel: a core takes at most 16, this needs 20"),
        ({"stride": 17}, "layer wide: vertical stride: a core takes at most 16, this needs 17"),
        ({"stride": (1, 18)}, "layer wide: horizontal stride: a core takes at most 16, this needs 18"),
        (
            {"dilation": (1, 300), "kernel": (1, 2), "in_shape": (1, 20, 400)},
            "from the first to the last tap: .*127",
        ),
        ({"in_shape": (16, 4, 4096)}, "layer wide: values of a segment: a core takes at most 65535"),
        (
            {"in_shape": (1, 4, 4097), "stride": 16, "transposed": True},
            "width of the input map and its padding",
        ),
        (
            {"in_shape": (1, 4, 4370), "stride": 15, "transposed": True},
            "width of the input map and its padding: .*65536",
        ),
        ({"in_shape": (1, 4, 65536)}, "layer wide: width of the input map and its padding: .* at most 65535"),
        (
            {"in_shape": (1, 4, 65535), "kernel": (1, 3), "padding": (0, 1)},
            "width of the input map and its padding: .*65536",
        ),
    ],
)
def test_what_no_core_runs_is_refused_by_the_name_of_the_layer(changes, message):
    shape = {"kernel": (1, 1), "stride": 1, "in_shape": (1, 20, 20), **changes}
    layer = Layer(name="wide", kind="conv", input="x", out_shape=(1, 1, 1), **shape)
    with pytest.raises(ArchError, match=message):
        map_blocks([layer], Arch())


@pytest.mark.parametrize(
    ("most", "block", "what"),
    [
        ({"kernel": (16, 1)}, 1, "rows of the kernel"),
        ({"kernel": (1, 16)}, 1, "columns of the kernel"),
        ({"kind": "depthwise", "kernel": (8, 1)}, 1, "rows of the kernel"),
        ({"kind": "depthwise", "kernel": (1, 8)}, 1, "columns of the kernel"),
        ({"stride": (16, 1)}, 1, "vertical stride"),
        ({"stride": (1, 16)}, 1, "horizontal stride"),
        ({"kernel": (1, 2), "dilation": (1, 127)}, 1, "from the first to the last tap"),
        ({"in_shape": (1, 1, 65535)}, 1, "width of the input map"),
        ({"in_shape": (1, 1, 65530), "kernel": (1, 6), "padding": (0, 5)}, 1, "width of the input map"),
        # The output of a transposed convolution of stride 2 and two taps: 2 x 32766 + 2 columns.
        ({"in_shape": (1, 1, 32767), "kernel": (1, 2), "stride": (1, 2), "transposed": True}, 1, None),
        ({"in_shape": (15, 1, 4369)}, 15, "values of a segment"),  # 65,535
        ({"in_shape": (15, 1, 4369)}, 64, "values of a segment"),  # no more channels than there are
    ],
)
def test_the_most_that_a_core_takes_is_taken_and_one_more_is_not(most, block, what):
    shape = {"kind": "conv", "kernel": (1, 1), "stride": 1, "in_shape": (1, 20, 20), **most}
    layer = Layer(name="wide", input="x", out_shape=(1, 1, 1), **shape)
    check_layer(layer, block)
    if what is None:
        check_layer(replace(layer, in_shape=(1, 1, 32766), kernel=(1, 4)), block)
        more = replace(layer, in_shape=(1, 1, 32768))
    elif what == "values of a segment":
        more = replace(layer, in_shape=(16, 1, 4096))
        check_layer(more, 15)
    elif what == "width of the input map":
        more = replace(layer, in_shape=(1, 1, layer.in_shape[2] + 1))
    elif "dilation" in most:
        more = replace(layer, dilation=(1, 128))
    else:
        field = "stride" if "stride" in most else "kernel"
        more = replace(layer, **{field: tuple(size + (size > 1) for size in most[field])})
    with pytest.raises(ArchError, match=what or "width of the input map"):
        check_layer(more, 16)


@pytest.mark.parametrize(
    ("name", "field", "taken", "refused"),
    [
        ("channels of a segment", "block", (1, 4), (0, 5)),
        ("output channels", "out_channels", (1, 4), (0, 5)),
        ("channels of an output segment", "out_block", (1, 4), (0, 5)),
        ("owned rows", "owned", (range(1), range(65535)), (range(0), range(65536))),
        ("weight words", "channels", (1, 106), (0, 107)),
        ("bits of the input map", "source", (Code(1, 0), Code(8, 0)), (Code(0, 0), Code(9, 0))),
        ("bits of the output map", "target", (Code(1, 0), Code(8, 0)), (Code(0, 0), Code(9, 0))),
        ("bits of the output map", "target", (Code(2, 0, True),), (Code(1, 0, True),)),
        ("order of the input map", "source", (Code(8, 15),), (Code(8, -1), Code(8, 16))),
        ("order of the output map", "target", (Code(8, 15),), (Code(8, -1), Code(8, 16))),
        ("shift", "shift", (1, 47), (0, 48)),
    ],
)
def test_a_core_takes_all_within_a_range_and_nothing_beyond_it(name, field, taken, refused):
    # A channel of the layer has six weight words: 106 of them are 636.
    arch = ARCH.replace(activation_bits=8, weight_words=636)
    for value in taken:
        replace(PASS, **{field: value}).check(arch)
    for value in refused:
        with pytest.raises(ArchError, match=f"^{name}: the core takes"):
            replace(PASS, **{field: value}).check(arch)


def test_a_depthwise_pass_has_the_channels_of_its_segments_and_its_ring_the_sub_banks_there_are():
    # A row of a bank has 4 channels x 16 sums, two sub-banks of 32; three rows of taps make a ring of four.
    layer = Layer("l", "depthwise", "x", (8, 6, 16), (8, 6, 16), (3, 1), 1, (1, 0))
    one = replace(PASS, layer=layer, channels=4, out_channels=4, owned=range(6))
    one.check(ARCH)
    with pytest.raises(ArchError, match=r"channels of a depthwise pass: the core takes 1 .. 4, .* needs 5"):
        replace(one, channels=5).check(ARCH)
    with pytest.raises(ArchError, match=r"sub-banks of the ring: the core takes 1 .. 8, this pass needs 12"):
        replace(one, layer=replace(layer, in_shape=(8, 6, 17), out_shape=(8, 6, 17))).check(ARCH)


def test_a_result_goes_out_raw_in_values_of_the_machine():
    encoder = replace(PASS, result=True).core_config(ARCH)["encoder"]
    assert encoder == {"order": 1, "compressed": 0, "raw_bits": 16}
    assert replace(PASS, compress=False).core_config(ARCH)["encoder"]["compressed"] == 0
    assert replace(PASS, skip_zeros=False).core_config(ARCH)["decoder"]["skip_zeros"] == 0
    for changes, ends in (({"relu": True}, (0, 31)), ({"clamps": (-7, -2)}, (-7, -2))):
        made = replace(PASS, **changes).core_config(ARCH)["requantize"]
        assert (made["low"], made["high"]) == ends
    assert replace(PASS, source=Code(8, 3, signed=True)).core_config(ARCH)["signed_input"] == 1


@given(st.integers(1, 65535), st.integers(0, 65535))
def test_a_division_is_a_multiplication_by_a_reciprocal_of_17_bits(divisor, number):
    reciprocal, shift = _reciprocal(divisor)
    assert reciprocal < 1 << 17
    for each in {number, number // divisor * divisor, max(number // divisor * divisor - 1, 0)}:
        assert each * reciprocal >> 16 + shift == each // divisor


def test_the_last_load_of_weights_is_filled_up():
    assert [weight_loads(words) for words in (0, 1, 2, 3, 8)] == [0, 1, 1, 2, 4]


def test_a_stride_brings_the_taps_of_a_value_nearer():
    # Taps that lie 130 columns of the input apart meet outputs that are 65 apart, of at most 127.
    layer = Layer("near", "conv", "x", (1, 20, 400), (1, 10, 135), (1, 2), stride=2, dilation=(1, 130))
    assert map_blocks([layer], Arch(columns=4)) == {"x": 4}


def test_a_core_numbers_the_words_of_eight_mebibytes_half_of_the_map_buffer():
    check_arch(Arch(map_buffer=1 << 24))
    with pytest.raises(ArchError, match=r"cores read of at most 16777216 bytes \(got 16777217\)"):
        check_arch(Arch(map_buffer=(1 << 24) + 1))


def test_a_machine_in_rtl_has_activations_of_four_bits_at_least():
    check_arch(Arch(activation_bits=4))
    with pytest.raises(ArchError, match=r"activation_bits: the RTL takes 4 .. 16 \(got 3\)"):
        check_arch(Arch(activation_bits=3))


@pytest.mark.parametrize(("accumulators", "words"), [(8, 2), (16, 2), (24, 4), (1024, 128), (1032, 256)])
def test_a_sub_bank_has_an_eighth_of_the_accumulators_up_to_a_power_of_two(accumulators, words):
    assert sub_bank_depth(Arch(accumulators=accumulators)) == words


def test_a_segment_has_no_more_channels_than_the_map():
    # Five channels of 33 columns, where a segment could have eight.
    layer = Layer("l", "conv", "x", (5, 6, 33), (3, 6, 33), (1, 1))
    known = replace(PASS, layer=layer, owned=(0,)).config(ARCH, 8)
    assert [known["core"]["decoder"][name] for name in ("segments", "full_values", "tail_values")] == [
        1,
        165,
        165,
    ]


def test_a_core_is_told_of_its_segments_by_hand():
    # Five channels of 33 values in segments of four: a second one has one channel. A channel has 3 x 2 words.
    told = PASS.config(ARCH, 4)
    assert told["segment_pixels"] == 0
    assert told["core"]["segment_words"] == 24
    decoder = {name: told["core"]["decoder"][name] for name in ("segments", "full_values", "tail_values")}
    assert decoder == {"segments": 2, "full_values": 132, "tail_values": 33}


def test_a_depthwise_pass_reads_a_row_in_two_halves_by_hand():
    layer = Layer("l", "depthwise", "x", (8, 6, 9), (8, 4, 7), (3, 3))
    told = replace(PASS, layer=layer, channels=4, owned=(0,), block=4).config(ARCH, 2)
    # Nine taps take three words of four lanes; a row of a channel has 7 sums.
    assert (told["core"]["channel_words"], told["core"]["segment_words"]) == (3, 6)
    assert told["segment_pixels"] == 14
    decoder = {name: told["core"]["decoder"][name] for name in ("segments", "full_values", "tail_values")}
    assert decoder == {"segments": 2, "full_values": 18, "tail_values": 18}


def test_padding_is_told_in_the_five_bits_in_which_remainders_are_taken():
    layer = Layer("l", "conv", "x", (5, 6, 33), (3, 6, 63), (1, 3), padding=(0, 40), dilation=(1, 25))
    assert replace(PASS, layer=layer, owned=(0,)).config(ARCH, 4)["core"]["column"]["padding"] == 8
