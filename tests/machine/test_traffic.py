"""Maps cross the channel only when they must, in whole beats, and by what hardware knows beforehand."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwsim.arch import Arch
from hwsim.layer import Layer
from hwsim.machine.additions import Added
from hwsim.machine.storage import Segments, store_map
from hwsim.machine.traffic import plan_traffic


def chain(*outputs: str | None, inputs: tuple[str, ...] = ()) -> list[Layer]:
    """1x1 layers that read each other's maps, or those of ``inputs``."""
    sources = inputs or ("image", *(output or "" for output in outputs[:-1]))
    return [
        Layer(f"l{i}", "conv", source, (4, 4, 4), (4, 4, 4), output=output)
        for i, (source, output) in enumerate(zip(sources, outputs, strict=True))
    ]


def raw(height: int, *places: int) -> Segments:
    """A raw map of so many rows, whose blocks of one channel take so many bytes each: whole beats."""
    sizes = np.array(places)
    words = np.tile((sizes // 8).astype(np.int32), (height, 1))
    return Segments(words, np.ones_like(words, bool), np.arange(1, len(sizes) + 1), sizes, False)


def plan(layers, sizes, half=1024):
    """Of maps of four rows; ``sizes`` are bytes of a row."""
    names = {layer.input for layer in layers}
    maps = {name: raw(4, sizes[name]) for name in names}
    shapes = dict.fromkeys(names, (4, 4, 4))
    return plan_traffic(layers, maps, Arch(columns=4, map_buffer=2 * half, activation_bits=8), shapes)


def test_a_coded_map_has_an_index_entry_for_every_segment_and_a_raw_one_none():
    # Six segments of eight zeros: a word each, coded in 8 bits or raw in 64; an entry takes 4 bytes.
    zeros = np.zeros((2, 3, 8), np.uint16)
    assert store_map(zeros, 1, 0, 8, compressed=True).bytes == 6 * 8 + 6 * 4
    assert store_map(zeros, 1, 0, 8, compressed=False).bytes == 6 * 8


def written(traffic) -> int:
    return sum(made.size for made in traffic.made)


def test_a_map_that_fits_and_is_read_at_once_never_leaves_the_chip():
    first, second = plan(chain("a", None), {"image": 96, "a": 96})
    assert not first.held.any()  # the image comes from DRAM
    assert written(first) == 0
    assert second.held.all()
    assert written(second) == 4 * 32  # an output that no layer reads: a row of 4 x 4 raw values is a beat


@pytest.mark.parametrize(
    ("half", "stay"), [(1024, 4), (1023, 3), (1022, 2), (682, 2), (681, 1), (342, 1), (340, 0), (0, 0)]
)
def test_half_of_the_buffer_holds_a_map_of_that_size_and_rows_of_a_larger_one_beside_the_ring(half, stay):
    # Rows of 256 bytes. What a ring of a quarter of the half leaves: 768, 767, 512, 511, 257 and 255 bytes.
    first, second = plan(chain("a", None), {"image": 256, "a": 256}, half)
    assert first.fits == second.fits == (stay == 4)
    assert second.stay.sum() == second.held.sum() == stay
    assert written(first) == (4 - stay) * 256
    if stay == 2:
        assert second.stay.tolist() == [False, True, False, True]


@given(st.integers(1, 60), st.lists(st.integers(1, 9), min_size=1, max_size=3), st.integers(0, 30_000))
def test_rows_that_stay_and_the_ring_have_room_and_lie_evenly(height, beats, half):
    map_ = raw(height, *(32 * count for count in beats))
    stay = map_.staying(Arch(map_buffer=2 * half))
    row = 32 * sum(beats)
    if stay.all():
        assert height * row <= half
    else:
        assert height * row > half
        row = -(-row // 64) * 64  # begins a line
        assert stay.sum() * row <= half - half // 4
        assert stay.sum() == height - 1 or (stay.sum() + 1) * row > half - half // 4
    # In any rows that follow each other, as many as their share, but for one.
    before = np.concatenate([[0], np.cumsum(stay)])
    for first in range(height):
        for end in range(first, height + 1):
            share = (end - first) * stay.sum() / height
            assert abs(before[end] - before[first] - share) < 1


@given(st.integers(1, 5), st.integers(1, 9), st.integers(1, 12), st.integers(1, 16), st.data())
def test_a_place_depends_on_no_value_and_holds_every_segment_in_dram(channels, height, width, bits, data):
    order, block = data.draw(st.integers(0, 15)), data.draw(st.sampled_from([1, 2, 4]))
    rng = np.random.default_rng(data.draw(st.integers(0, 1000)))
    maps = [
        store_map(values.astype(np.uint16), block, order, bits, True)
        for values in (
            np.zeros((channels, height, width)),
            rng.integers(0, 2**bits, (channels, height, width)),
            np.full((channels, height, width), 2**bits - 1),
        )
    ]
    dense = store_map(np.zeros((channels, height, width), np.uint16), block, order, bits, False)
    sizes = [min(block, channels - first) * width * bits for first in range(0, channels, block)]
    assert dense.room.tolist() == [-(-size // 256) * 32 for size in sizes]
    for map_ in maps:
        assert map_.room.tolist() == dense.room.tolist()
        assert (map_.beats * 32 <= map_.room).all()
        ends = (map_.addresses + map_.room).ravel()
        assert (ends[:-1] <= map_.addresses.ravel()[1:]).all()
        index = -(-4 * height * len(sizes) // 32) * 32
        assert map_.staying(Arch(map_buffer=2 * (height * int(dense.room.sum()) + index))).all()
        assert not map_.staying(Arch(map_buffer=2 * (height * int(dense.room.sum()) + index) - 1)).all()


def test_a_map_with_a_later_reader_is_written_and_fetched_again():
    layers = chain("a", "b", None, inputs=("image", "a", "a"))
    layers.append(Layer("l3", "conv", "b", (4, 4, 4), (4, 4, 4)))
    first, second, third, fourth = plan(layers, {"image": 32, "a": 32, "b": 32})
    assert written(first) == 0  # both readers of a follow at once
    assert second.held.all()
    assert third.held.all()
    assert written(second) == 4 * 32  # b waits while l2 runs
    assert not fourth.held.any()


def test_of_a_fetched_map_the_next_reader_finds_the_rows_that_the_one_before_read():
    layers = [
        Layer("half", "conv", "image", (4, 4, 4), (4, 2, 2), stride=(2, 2)),
        Layer("all", "conv", "image", (4, 4, 4), (4, 4, 4)),
    ]
    _, second = plan(layers, {"image": 32})
    assert second.held.tolist() == [True, False, True, False]


@pytest.mark.parametrize("share", [1, 3])
def test_layers_that_make_one_map_together_make_its_blocks_by_their_channels(share):
    parts = [Layer("l0", "conv", "image", (4, 4, 4), (share, 4, 4), output="a")]
    parts += [Layer("l1", "conv", "image", (4, 4, 4), (4 - share, 4, 4), output="a")]
    parts += [Layer("l2", "conv", "a", (4, 4, 4), (4, 4, 4))]
    maps = {"image": raw(4, 32, 32, 32, 32), "a": raw(4, 32, 64, 96, 128)}
    shapes = dict.fromkeys(maps, (4, 4, 4))
    first, second, _ = plan_traffic(parts, maps, Arch(columns=4), shapes)
    assert first.made[0].blocks.tolist() == [block < share for block in range(4)]
    assert (written(first), written(second)) == ((128, 1152) if share == 1 else (768, 512))


def test_entries_of_an_index_are_those_of_the_part_and_begin_at_a_beat():
    parts = [Layer("l0", "conv", "image", (4, 4, 4), (1, 4, 4), output="a")]
    parts += [Layer("l1", "conv", "image", (4, 4, 4), (3, 4, 4), output="a")]
    parts += [Layer("l2", "conv", "a", (4, 4, 4), (4, 4, 4))]
    coded = {name: replace(raw(4, 32, 32, 32, 32), coded=True) for name in ("image", "a")}
    first, second, third = plan_traffic(parts, coded, Arch(columns=4), dict.fromkeys(coded, (4, 4, 4)))
    assert [made.index_size for traffic in (first, second) for made in traffic.made] == [
        32,
        64,
    ]  # 16, 48 bytes
    assert [made.index_at for traffic in (first, second) for made in traffic.made] == [0, 32]
    assert (first.index_size, third.index_size) == (64, 96)


def test_a_map_behind_a_pool_is_told_from_one_of_another_shape():
    layer = Layer("l", "conv", "image", (4, 4, 4), (4, 4, 4), output="a", also=("b", "c"))
    readers = [Layer(name, "conv", name, (4, 4, 4), (4, 4, 4)) for name in "abc"]
    maps = {name: raw(4, 32) for name in ("image", "a", "b", "c")}
    shapes = {"image": (4, 4, 4), "a": (4, 4, 4), "b": (4, 2, 2), "c": (64, 1, 1)}
    first = plan_traffic([layer, *readers], maps, Arch(), shapes)[0]
    assert [made.kind for made in first.made] == ["maps_out", "pooled", "maps_out"]


def residual_chain(*between: Layer, **added) -> list[Layer]:
    """l0 makes a, l1 reads it and makes b, and so on; l2 adds something to what becomes the map ``sum``."""
    layers = chain("a", "b", "sum", None)
    layers[2] = replace(layers[2], **added)
    layers[2:2] = between
    return layers


ROW = 4 * 32  # bytes of a map of four rows of a beat each


def test_a_map_is_added_where_it_lies_if_the_layer_before_read_it_and_the_sum_takes_its_places():
    sizes = {"image": 32, "a": 32, "b": 32, "sum": 32}
    first, _, third, _ = plan(residual_chain(adds=("a",)), sizes)
    (added,) = third.adds
    assert written(first) == 0
    assert (added.name, added.of_layer, added.index_size) == ("a", None, 0)
    assert not added.fetched.any()


@pytest.mark.parametrize("other", [64, 16])
def test_a_map_is_fetched_to_be_added_if_the_sum_has_other_places(other):
    sizes = {"image": 32, "a": 32, "b": 32, "sum": other}
    first, _, third, _ = plan(residual_chain(adds=("a",)), sizes)
    assert written(first) == ROW
    assert third.adds[0].fetched.all()


def test_a_map_is_fetched_to_be_added_if_the_layer_before_read_another():
    bottleneck = Layer("more", "conv", "b", (4, 4, 4), (4, 4, 4), output="c")
    layers = residual_chain(bottleneck, adds=("a",))
    layers[3] = replace(layers[3], input="c")
    first, _, _, fourth, _ = plan(layers, dict.fromkeys(("image", "a", "b", "c", "sum"), 32))
    assert written(first) == ROW
    assert fourth.adds[0].fetched.all()


def test_of_a_map_that_is_added_the_rows_that_do_not_stay_are_fetched():
    # Rows of 256 bytes in halves of 1,023: three of the four stay beside the ring.
    first, _, third, _ = plan(
        residual_chain(adds=("a",)), dict.fromkeys(("image", "a", "b", "sum"), 256), 1023
    )
    (added,) = third.adds
    assert added.fetched.sum() == 1
    assert written(first) == 256
    assert added.segments(np.array([True])).tolist() == np.flatnonzero(added.fetched).tolist()


def test_a_layer_finds_the_map_that_it_reads_and_adds_on_chip():
    layers = [Layer("l", "conv", "image", (4, 4, 4), (4, 4, 4), adds=("image",))]
    (only,) = plan(layers, {"image": 32})
    assert not only.held.any()  # it fetches it, once
    assert not only.adds[0].fetched.any()


def test_a_result_that_is_no_map_waits_in_dram_beside_the_map_that_the_layer_makes():
    sizes = {"image": 32, "a": 32, "b": 32, "sum": 32}
    _, second, third, _ = plan(residual_chain(adds_results=("l1",)), sizes)
    assert [made.name for made in second.made] == ["b", None]
    assert written(second) == 0 + ROW  # raw: a row of 4 x 4 values of 8 bits is half a beat
    (added,) = third.adds
    assert (added.name, added.of_layer, added.index_size) == ("l1 (output)", "l1", 0)
    assert added.fetched.all()


def test_what_is_added_comes_with_the_channels_that_are_made_of_it_if_it_has_as_many():
    added = Added("a", None, raw(2, 32, 32, 32), np.array([True, True]), 0)
    assert added.blocks([range(1, 2)], 3).tolist() == [False, True, False]
    assert added.blocks([range(0, 1), range(2, 3)], 3).tolist() == [True, False, True]
    assert added.blocks([range(0, 1)], 4).all()
    assert added.segments(np.array([False, True, False])).tolist() == [1, 4]
