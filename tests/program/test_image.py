"""A memory image, read by what its page says, holds the network as the model maps it, in its places."""

import re
import struct
from dataclasses import replace
from math import prod
from zlib import crc32

import numpy as np
import pytest
from hypothesis import assume, given, settings
from page_parser import Parsed, tables
from random_chains import RunnableChain, wide_chain
from random_programs import programs

from hwsim.arch import Arch
from hwsim.between import AveragePool, Flow
from hwsim.errors import ArchError, ProgramError, TraceError
from hwsim.export.dram_trace import requests
from hwsim.machine.chain import links
from hwsim.machine.schedule import schedule
from hwsim.machine.workload import Workload
from hwsim.program import compile_network, load
from hwsim.program.image import HEADER_BYTES
from hwsim.trace import open_trace

LENET = "lenet5_digits/sparse"
ARCH = Arch()


@pytest.fixture(scope="module")
def lenet():
    with open_trace(LENET) as opened:
        yield opened


@pytest.fixture(scope="module")
def data(lenet):
    return compile_network(lenet, ARCH, 3).to_bytes()


def assert_holds(parsed: Parsed, trace, arch: Arch, image: int = 0) -> None:
    """What the page's parser found is the network on the machine."""
    assert parsed.trace == trace.digest
    assert {name: parsed.header[name] for name in ("cores", "columns", "weight_bits")} == {
        name: getattr(arch, name) for name in ("cores", "columns", "weight_bits")
    }
    jobs = Workload(trace, image).jobs(arch)
    assert len(parsed.layers) == len(jobs)
    for number, (job, (layer, passes, masks)) in enumerate(zip(jobs, parsed.layers, strict=True)):
        geometry = job.layer
        assert (layer["height"], layer["width"]) == geometry.in_shape[1:]
        assert (layer["out_height"], layer["out_width"]) == geometry.out_shape[1:]
        assert (layer["kernel_rows"], layer["kernel_columns"]) == geometry.kernel
        assert (layer["vertical_stride"], layer["horizontal_stride"]) == geometry.stride
        assert (layer["vertical_dilation"], layer["horizontal_dilation"]) == geometry.dilation
        assert (layer["padding_top"], layer["padding_left"]) == geometry.padding
        assert (layer["depthwise"], layer["transposed"]) == (
            geometry.kind == "depthwise",
            geometry.transposed,
        )
        assert layer["last"] == (number + 1 == len(jobs))
        assert layer["in_order"] == trace.maps[geometry.input].order
        drain = trace.requantize(geometry)
        made = (layer["shift"], layer["relu"], layer["out_bits"], layer["signed_output"])
        assert made == (drain.shift, drain.relu, drain.bits, drain.signed)
        assert parsed.clamps.get(number) == drain.clamps
        works = [work for round_ in job.mapping.rounds for work in round_]
        assert [(one["core"], one["unit"], one["row_group"]) for one in passes] == works
        assert masks == [sorted(rows.tolist()) for rows in job.mapping.groups]
        for one in passes:
            reads, makes = job.mapping.parts[one["unit"]].reads, job.mapping.parts[one["unit"]].makes
            assert one["first_segment"] * job.block == reads.start
            assert one["channels"] == len(makes)
            odd = "odd_" if one["odd"] else ""
            segments, tail = layer[f"{odd}segments"], layer[f"{odd}tail_values"]
            assert (segments - 1) * layer["full_values"] + tail == len(reads) * geometry.in_shape[2]
            taps = prod(geometry.kernel)
            words = -(-taps // arch.columns) if geometry.kind == "depthwise" else taps
            assert layer[f"{odd}pass_words"] == len(reads) * words
            assert makes.start == one["unit"] * layer["unit_segments"] * layer["out_block"]
        assert_weights(parsed, number, job, trace)
        row = np.arange(geometry.in_shape[1])[:, None] * layer["row_beats"]
        places = row + np.arange(layer["map_segments"]) * layer["place_beats"]
        np.testing.assert_array_equal(places * 4, job.stored.line_places())
        assert layer["index_line"] * 2 in (
            places.max() + tail_beats(layer),
            places.max() + tail_beats(layer) + 1,
        )
    values = parsed.input_map()
    np.testing.assert_array_equal(np.array(values), trace.map(jobs[0].layer.input, image))


def tail_beats(layer) -> int:
    return layer["row_beats"] - (layer["map_segments"] - 1) * layer["place_beats"]


def assert_weights(parsed: Parsed, number: int, job, trace) -> None:
    """Every weight and scale of a layer, put where its unit says."""
    layer, arch = job.layer, job.arch
    weights, drain = trace.weights(layer), trace.requantize(layer)
    for unit, part in enumerate(job.mapping.parts):
        taps, made = prod(layer.kernel), len(part.makes)
        if layer.kind == "depthwise":
            padded = -(-taps // arch.columns) * arch.columns
            scales, found = parsed.unit(number, unit, made, made * padded)
            flat = np.array(found).reshape(made, padded)
            assert not flat[:, taps:].any()
            expected = weights[part.makes.start : part.makes.stop].reshape(made, taps)
            np.testing.assert_array_equal(flat[:, :taps], expected)
        else:
            scales, found = parsed.unit(number, unit, made, len(part.reads) * taps * made)
            shape = (len(part.reads), *layer.kernel, made)
            by_filter = np.array(found).reshape(shape).transpose(3, 0, 1, 2)
            of_group = layer.weight_shape[1]
            for filter_, rows in zip(part.makes, by_filter, strict=True):
                first = filter_ // layer.filters * of_group - part.reads.start
                np.testing.assert_array_equal(rows[first : first + of_group], weights[filter_])
                assert not np.delete(rows, np.s_[first : first + of_group], axis=0).any()
        made_of = slice(part.makes.start, part.makes.stop)
        pairs = zip(drain.bias[made_of].tolist(), drain.multiplier[made_of].tolist(), strict=True)
        assert scales == list(pairs)


def test_lenet_by_the_page(lenet, data):
    parsed = Parsed(data)
    assert_holds(parsed, lenet, ARCH, 3)
    pools = [[layer[f"pool_{name}"] for name in ("rows", "columns", "vertical_stride", "horizontal_stride")]
             for layer, _, _ in parsed.layers]  # fmt: skip
    assert pools == [[2, 2, 2, 2], [2, 2, 2, 2], [0] * 4, [0] * 4, [0] * 4]
    assert [layer["flatten"] for layer, _, _ in parsed.layers] == [0, 1, 0, 0, 0]


def test_pools_that_have_a_word_by_the_page():
    image = compile_network(wide_chain(), ARCH)
    parsed = Parsed(image.to_bytes())
    assert_holds(parsed, wide_chain(), ARCH)
    assert [layer["pool_word"] for layer, _, _ in parsed.layers] == [1, 1, 0]
    assert not any(
        layer[name] for layer, _, _ in parsed.layers for name in layer if name.startswith("pool_r")
    )
    names = ("rows", "columns", "vertical_stride", "horizontal_stride", "top", "left")
    largest, mean, none = parsed.pools
    assert [largest[name] for name in names] == [3, 9, 2, 1, 1, 2]
    assert [mean[name] for name in names] == [5, 16, 5, 16, 0, 0]
    assert [(pool["average"], pool["shift"], pool["multiplier"]) for pool in (largest, mean)] == [
        (0, 0, 0),
        (1, 16, 820),
    ]
    assert none == {}


def test_clamps_and_a_pool_in_one_program_by_the_page():
    trace = wide_chain(clamped=True)
    parsed = Parsed(compile_network(trace, ARCH).to_bytes())
    assert_holds(parsed, trace, ARCH)
    assert [(layer["clamped"], layer["pool_word"]) for layer, _, _ in parsed.layers] == [
        (0, 1),
        (1, 1),
        (0, 0),
    ]


def test_a_layer_whose_drain_lacks_its_clamps_is_refused(monkeypatch):
    made = RunnableChain.requantize
    monkeypatch.setattr(
        RunnableChain, "requantize", lambda self, layer: replace(made(self, layer), clamps=None)
    )
    with pytest.raises(ProgramError, match="layer two: whether its drain has clamps is told in two ways"):
        compile_network(wide_chain(clamped=True), ARCH)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("columns", 0, "layer 0: of its pool columns is 0, which must be 1 .. 255"),
        ("rows", 0, "layer 0: of its pool rows is 0"),
        ("top", 3, "layer 0: of its pool top is 3, which must be 0 .. 2"),
        ("average", 1, "layer 0: of its pool shift is 0, which must be 1 .. 47"),
        ("rows", 4, "layer 1: height is 5, the layer before makes 4"),
    ],
)
def test_a_pool_that_no_machine_walks_through_is_told(name, value, message, tmp_path):
    image = compile_network(wide_chain(), ARCH)
    at = image.number("first_program_bytes") - 8
    (tmp_path / "image.bin").write_bytes(in_number(image.to_bytes(), at, 8, POOL, name, value))
    with pytest.raises(ProgramError, match=re.escape(message)):
        load(tmp_path / "image.bin")


def test_means_whose_sums_have_more_than_32_bits_are_told(tmp_path):
    image = compile_network(wide_chain(), ARCH)
    at = image.number("first_program_bytes") - 8
    data = in_number(image.to_bytes(), 0, 64, LAYER, "out_bits", 16)
    for name, value in (("average", 1), ("shift", 1), ("rows", 181), ("columns", 181)):
        data = in_number(data, at, 8, POOL, name, value)
    told = "layer 0: its pool has a window whose sum does not fit 32 bits"
    for columns, fits in ((182, False), (181, True)):  # of 65,535 each; 32,768 of them are 2^31 or so
        (tmp_path / "image.bin").write_bytes(in_number(data, at, 8, POOL, "columns", columns))
        with pytest.raises(ProgramError) as error:  # the map is none of that size, which is told behind it
            load(tmp_path / "image.bin")
        assert (told in str(error.value)) is not fits


@settings(max_examples=60, deadline=None)
@given(programs())
def test_random_networks_by_the_page(case):
    trace, arch = case
    try:
        image = compile_network(trace, arch)
    except ArchError as error:  # groups of an odd number of filters
        assume("its units make different numbers of channels" not in str(error))
        raise
    assert_holds(Parsed(image.to_bytes()), trace, arch)


@settings(max_examples=20, deadline=None)
@given(case=programs().filter(lambda case: case[0].layers[0].clamped))
def test_clamps_beyond_what_a_layer_makes_are_told(tmp_path_factory, case):
    trace, arch = case
    try:
        data = compile_network(trace, arch).to_bytes()
    except ArchError as error:  # groups of an odd number of filters
        assume("its units make different numbers of channels" not in str(error))
        raise
    path = tmp_path_factory.mktemp("clamps") / "image.bin"
    path.write_bytes(data)
    assert load(path).to_bytes() == data
    low, high = trace.requantize(trace.layers[0]).clamps
    most = 1 << trace.bits
    for wrong in ((-1, high), (low, most), (high + 1, high)):
        number = sum(end % (1 << 17) << at for end, at in zip(wrong, (0, 17), strict=True))
        path.write_bytes(changed(data, HEADER_BYTES + 64, number.to_bytes(8, "little")))
        with pytest.raises(ProgramError, match="layer 0: clamps must be two integers within 0"):
            load(path)


def test_what_is_read_lies_where_the_model_reads_it_and_has_the_bytes_it_charges(lenet, data):
    parsed = Parsed(data)
    plan = schedule(Workload(lenet, 3).jobs(ARCH), ARCH)
    found = requests(plan, ARCH)
    head = parsed.header
    assert found.regions["programs"] == (head["program_at"], head["program_bytes"])
    assert head["program_bytes"] + HEADER_BYTES == sum(span.dram["programs"] for span in plan.layers)
    assert found.regions["map image"].first == head["map_at"]
    assert found.regions["index of image"].first == head["index_at"]
    assert found.regions["map fc3 (output)"].first == head["result_at"]
    for (layer, _, _), span in zip(parsed.layers, plan.layers, strict=True):
        assert layer["weights_at"] * 32 == found.regions[f"weights of {span.job.layer.name}"].first
    # Nothing is read that is not in the file, but for the ends of bursts.
    assert found.addresses[~found.writes].max() < len(parsed.memory)
    assert found.addresses[found.writes].min() >= head["result_at"]
    assert max(region.end for region in found.regions.values()) == head["memory_bytes"]


def test_an_image_comes_back_from_its_file(lenet, data, tmp_path):
    compile_network(lenet, ARCH, 3).write(tmp_path / "image.bin")
    assert (tmp_path / "image.bin").read_bytes() == data
    found = load(tmp_path / "image.bin")
    assert found.to_bytes() == data
    assert found.arch == ARCH


def changed(data: bytes, at: int, value: bytes) -> bytes:
    """Some bytes of an image changed, and its checksum made to fit."""
    data = data[:at] + value + data[at + len(value) :]
    return data[:12] + struct.pack("<I", crc32(data[16:])) + data[16:]


HEAD, PASS, LAYER, POOL = tables()


def field(data: bytes, name: str, value: int) -> bytes:
    at, size = HEAD[name]
    return changed(data, at, value.to_bytes(size, "little"))


def in_number(data: bytes, byte: int, size: int, table: dict, name: str, value: int) -> bytes:
    """A field of a descriptor or a pass changed, at an address of DRAM."""
    at, length = table[name]
    byte += HEADER_BYTES
    number = int.from_bytes(data[byte : byte + size], "little")
    number = number & ~((1 << length) - 1 << at) | value << at
    return changed(data, byte, number.to_bytes(size, "little"))


def layer(name: str, value: int):
    """A change of the first layer's descriptor, which is at address 0."""
    return lambda data: in_number(data, 0, 64, LAYER, name, value)


def first_pass(name: str, value: int):
    return lambda data: in_number(data, 64, 8, PASS, name, value)


DAMAGE = {
    "no image": (lambda d: b"PK" + d[2:], "no memory image"),
    "empty": (lambda d: b"", "no memory image"),
    "header cut off": (lambda d: d[:100], "ends in its header"),
    "version": (lambda d: field(d, "version", 1), "version 1, this hwsim reads 4"),
    "cut off": (lambda d: d[:-1], "its header says"),
    "a bit": (lambda d: d[:5000] + bytes([d[5000] ^ 1]) + d[5001:], "checksum differs"),
    "unused": (lambda d: field(d, "unused", 1), "unused"),
    "lanes": (lambda d: field(d, "lanes", 1), "1 lanes"),
    "columns": (lambda d: field(d, "columns", 3), "columns"),
    "cores": (lambda d: field(d, "cores", 0), "cores"),
    "map buffer": (lambda d: field(d, "map_buffer", 1 << 25), "map_buffer"),
    "small map buffer": (lambda d: field(d, "map_buffer", 4096), "index_line"),
    "memory": (lambda d: field(d, "memory_bytes", 100), "memory has 100 bytes"),
    "unaligned": (lambda d: field(d, "map_at", 77824 + 8), "no multiple of 32"),
    "program outside": (lambda d: field(d, "program_at", 1 << 40), "the program ends at byte"),
    "no layers": (lambda d: field(d, "layers", 0), "0 layers"),
    "more layers": (lambda d: field(d, "layers", 6), "last is 1, which must be 0"),
    "fewer layers": (lambda d: field(d, "layers", 4), "last is 0, which must be 1"),
    "longer programs": (lambda d: field(d, "program_bytes", 864), "take 832 bytes, not 864"),
    "map outside": (lambda d: field(d, "map_at", 1 << 30), "the map ends"),
    "index outside": (lambda d: field(d, "index_at", 1 << 30), "the index ends"),
    "result outside": (lambda d: field(d, "result_at", 1 << 30), "result ends behind its memory"),
    "result bits": (lambda d: field(d, "result_bits", 9), "the last layer makes"),
    "result place": (lambda d: field(d, "result_place", 64), "places of its result take 32"),
    "map row": (lambda d: field(d, "map_row", 0), "words"),
    "map block": (lambda d: field(d, "map_block", 0), "are not 1 segments"),
    "map channels": (lambda d: field(d, "map_channels", 17), "are not 1 segments"),
    "map signed": (lambda d: field(d, "map_signed", 1), "map_signed"),
    "index entry": (lambda d: changed(d, HEADER_BYTES + 81920, b"\xff\xff"), "32767 words"),
    "empty segment": (lambda d: changed(d, HEADER_BYTES + 81920, b"\0\0"), "0 words"),
    "kernel": (layer("kernel_rows", 17), "kernel_rows is 17, which must be 1 .. 16"),
    "stride": (layer("vertical_stride", 0), "vertical_stride is 0"),
    "bits": (layer("in_bits", 17), "in_bits is 17"),
    "order": (layer("out_order", 3), "in_order is 13, the layer before makes 3"),
    "height": (layer("height", 0), "height is 0"),
    "tall": (layer("height", 60000), "half of the map buffer"),
    "ring": (layer("ring", 0), "ring is 0"),
    "sub-banks": (layer("row_sub_banks", 2), "row_sub_banks is 2, which must be 1 .. 1"),
    "weight words": (layer("pass_words", 65535), "pass_words"),
    "row groups": (layer("row_groups", 17), "row_groups is 17"),
    "units": (layer("units", 100), "its program ends"),
    "too many units": (layer("units", 65535), "no sequencer has room for"),
    "weights": (layer("weights_at", (1 << 28) - 1), "the weights ends"),
    "no clamps": (layer("clamped", 1), "bits above its clamps are not 0"),
    "core": (first_pass("core", 16), "core of a pass is 16: at most 15"),
    "row group": (first_pass("row_group", 900), "row_group of a pass"),
    "unit": (first_pass("unit", 1), "unit of a pass is 1: at most 0"),
    "first segment": (first_pass("first_segment", 1), "first_segment of a pass"),
    "channels": (first_pass("channels", 17), "17 channels"),
    "a pass twice": (
        lambda d: changed(d, HEADER_BYTES + 64, d[HEADER_BYTES + 72 :][:8]),
        "for each row group",
    ),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_what_is_wrong_with_a_file_is_told_in_one_line(name, data, tmp_path):
    change, message = DAMAGE[name]
    (tmp_path / "image.bin").write_bytes(change(data))
    with pytest.raises(ProgramError) as caught:
        load(tmp_path / "image.bin")
    assert message in str(caught.value)
    assert str(tmp_path / "image.bin") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_row_that_two_groups_own_is_told(data, tmp_path):
    masks = 64 + 8 * Parsed(data).layers[0][0]["row_groups"]
    at = HEADER_BYTES + masks
    (tmp_path / "image.bin").write_bytes(changed(data, at, b"\xff"))
    with pytest.raises(ProgramError, match="own each output row once"):
        load(tmp_path / "image.bin")


def test_no_file_and_no_place_are_told(data, lenet, tmp_path):
    with pytest.raises(ProgramError, match="No such file"):
        load(tmp_path / "none")
    with pytest.raises(ProgramError, match="Is a directory"):
        load(tmp_path)
    with pytest.raises(ProgramError, match="No such file"):
        compile_network(lenet, ARCH).write(tmp_path / "missing" / "image.bin")


class Changed:
    """A trace of which some attributes are others."""

    def __init__(self, trace, **others):
        self._trace, self._others = trace, others

    def __getattr__(self, name):
        return self._others[name] if name in self._others else getattr(self._trace, name)


def average(pool) -> AveragePool:
    scaling = {"low": 0, "high": 9, "shift": 1, "count_padding": False, "multipliers": ((4, 1),)}
    return AveragePool(**{**vars(pool), **scaling, "kind": "average_pool"})


def test_a_network_that_is_no_chain_is_refused_by_the_name_of_the_layer(lenet):
    flow: Flow = lenet.flow
    first, second, flatten = flow.operators
    for others, message in (
        ({"flow": None}, "does not say what lies between"),
        ({"flow": replace(flow, captured={"fc1": "why"})}, "makes all others"),
        ({"flow": replace(flow, inputs=())}, "makes all others"),
        (
            {"flow": replace(flow, operators=(average(first), second, flatten))},
            "conv1: its means are clamped",
        ),
        (
            {"flow": replace(flow, operators=(first, second, replace(flatten, axes=(1, 2, 0))))},
            "conv2: its values are laid out anew",
        ),
        (
            {"flow": replace(flow, operators=(*flow.operators, replace(first, output="more")))},
            "conv1: other layers or operators read it",
        ),
        ({"flow": replace(flow, results={**flow.results, "fc3": "fc2"})}, "fc3: layer fc3 reads it"),
    ):
        with pytest.raises(ProgramError, match=message):
            compile_network(Changed(lenet, **others), ARCH)


def test_what_is_made_of_the_last_result_is_no_part_of_a_program(lenet):
    flow: Flow = lenet.flow
    end = replace(average(flow.operators[0]), inputs=(flow.results["fc3"],), output="scores")
    longer = Changed(lenet, flow=replace(flow, operators=(*flow.operators, end)))
    assert links(longer) == links(lenet)
    assert len(links(lenet)) == len(lenet.layers)


def test_what_no_machine_runs_is_one_line(lenet):
    for arch, error, message in (
        (ARCH.replace(compress=False), ArchError, "compress: programs are for coded maps"),
        (ARCH.replace(activation_bits=8), ArchError, "raise activation_bits"),
        (ARCH.replace(map_buffer=3000), ProgramError, "layer conv1: its map and index take 1920 bytes"),
    ):
        with pytest.raises(error, match=message):
            compile_network(lenet, arch)
    with pytest.raises(TraceError, match="no image 99"):
        compile_network(lenet, ARCH, 99)


@pytest.mark.parametrize(
    ("size", "layer", "least"), [(3000, "conv1", 3840), (3840, "conv2", 5504), (5504, "conv1", 55680)]
)
def test_a_map_buffer_of_the_least_size_that_is_named_is_enough(lenet, size, layer, least, tmp_path):
    # 28 rows of 28 values of 16 bits take 2 beats each, 14 rows of 6 channels of 14 values 6 beats; the index
    # of 28 entries takes 2 lines, that of 14 one. Before the pool, 28 rows of 16 x 28 values lie behind the
    # 2,752 bytes of the latter, 896 bytes each.
    with pytest.raises(ProgramError, match=rf"layer {layer}: .* raise map_buffer to {least}$"):
        compile_network(lenet, ARCH.replace(map_buffer=size))
    with pytest.raises(ProgramError, match=rf"layer {layer}: "):
        compile_network(lenet, ARCH.replace(map_buffer=least - 1))
    if least == 55680:
        compile_network(lenet, ARCH.replace(map_buffer=least)).write(tmp_path / "image.bin")
        assert load(tmp_path / "image.bin").number("map_buffer") == least


def test_segments_of_noise_are_raw_among_coded_ones(lenet):
    picture = lenet.map("image", 3).copy()
    picture[:, ::2] = 65535
    changed = Changed(lenet, map=lambda name, image: picture if name == "image" else lenet.map(name, image))
    parsed = Parsed(compile_network(changed, ARCH, 3).to_bytes())
    at, rows = parsed.header["index_at"], picture.shape[1]
    lengths = np.frombuffer(parsed.memory[at : at + 4 * rows], "<u2")[::2]
    assert (lengths[::2] == 0x8000 | 7).all()  # 28 values of 16 bits
    assert (lengths[1::2] <= 7).all()
    np.testing.assert_array_equal(np.array(parsed.input_map()), picture)


def test_the_command_writes_the_file(hwsim, data, tmp_path):
    code, out, err = hwsim("compile", LENET, "--image", "3", "-o", tmp_path / "x.bin")
    assert (code, err) == (0, "")
    assert out.startswith(f"{tmp_path / 'x.bin'}: 5 layers, ")
    assert (tmp_path / "x.bin").read_bytes() == data
    (tmp_path / "raw.toml").write_text("compress = false\n")
    code, out, err = hwsim("compile", LENET, "--arch", tmp_path / "raw.toml", "-o", tmp_path / "y.bin")
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert "compress: programs are for coded maps" in err
