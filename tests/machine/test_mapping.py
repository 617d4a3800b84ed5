"""Every output is made exactly once, the split is fair, and a layer that does not fit is refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwsim.arch import Arch
from hwsim.errors import ArchError
from hwsim.layer import Kind, Layer
from hwsim.machine.mapping import channel_group, map_blocks, map_layer, row_costs


@st.composite
def jobs(draw) -> tuple[Layer, Arch, np.ndarray, int]:
    """(layer, machine, non-zeros of every input row, block)."""
    depthwise = draw(st.booleans())
    channels, height, width = draw(st.integers(1, 40)), draw(st.integers(1, 30)), draw(st.integers(1, 30))
    kernel, stride = draw(st.integers(1, 3)), draw(st.integers(1, 2))
    out = [draw(st.integers(1, (size - 1) // stride + 1)) for size in (height, width)]
    filters = channels if depthwise else draw(st.integers(1, 40))
    kind: Kind = "depthwise" if depthwise else "conv"
    layer = Layer("l", kind, "x", (channels, height, width), (filters, *out), (kernel, kernel), (stride,) * 2)
    arch = Arch(
        cores=draw(st.integers(1, 20)),
        columns=draw(st.sampled_from([1, 4, 16])),
        row_split=draw(st.sampled_from(["balanced", "contiguous"])),
    )
    seed = draw(st.integers(0, 2**32 - 1))
    counts = np.random.default_rng(seed).integers(0, draw(st.sampled_from([1, 500])), height)
    return layer, arch, counts, map_blocks([layer], arch)["x"]


@given(jobs())
def test_every_output_channel_and_row_belongs_to_one_pass(job):
    layer, arch, counts, block = job
    mapping = map_layer(layer, arch, counts, block)
    owner = np.zeros(layer.out_shape[:2], int)
    cores_of_round = []
    for work in mapping.rounds:
        cores_of_round.append([core for core, _, _ in work])
        for _, unit, group in work:
            owner[np.ix_(mapping.channels(unit, layer), mapping.groups[group])] += 1
    assert (owner == 1).all()
    assert all(len(set(cores)) == len(cores) and max(cores) < arch.cores for cores in cores_of_round)
    assert all((np.diff(rows) > 0).all() for rows in mapping.groups)


@given(jobs())
def test_contiguous_groups_are_ranges(job):
    layer, arch, counts, block = job
    for rows in map_layer(layer, arch.replace(row_split="contiguous"), counts, block).groups:
        assert rows.tolist() == list(range(rows[0], rows[-1] + 1))


def test_balanced_rows_share_the_work_within_one_row_of_the_mean():
    layer = Layer("l", "conv", "x", (16, 56, 56), (16, 56, 56), (3, 3), padding=(1, 1))
    counts = np.random.default_rng(3).integers(0, 900, 56)
    costs = row_costs(layer, counts)
    groups = map_layer(layer, Arch(cores=8), counts, 16).groups
    loads = [costs[rows].sum() for rows in groups]
    assert max(loads) <= costs.sum() / len(groups) + costs.max()


def test_the_cost_of_a_row_is_its_visits_to_taps():
    layer = Layer("l", "conv", "x", (1, 4, 9), (1, 4, 9), (3, 1), padding=(1, 0))
    # Row r reads rows r - 1 .. r + 1; every value there has one tap along x.
    assert row_costs(layer, np.array([1, 10, 100, 1000])).tolist() == [11, 111, 1110, 1100]


@pytest.mark.parametrize(
    ("width", "kernel", "group"),
    [(112, 3, 2), (56, 3, 4), (28, 3, 8), (14, 3, 16), (7, 3, 16), (112, 7, 1)],
)
def test_a_depthwise_group_fills_its_sub_banks(width, kernel, group):
    # 1024 accumulators: 8 sub-banks of 128; Kh + 1 rows share them.
    pad = (kernel - 1) // 2
    shape = (32, width, width)
    layer = Layer("dw", "depthwise", "x", shape, shape, (kernel, kernel), padding=(pad, pad))
    assert channel_group(layer, Arch()) == group


def test_a_map_has_the_smallest_block_that_a_neighbour_asks_for():
    wide = Layer("a", "conv", "x", (32, 112, 112), (32, 112, 112), output="y")
    deep = Layer("dw", "depthwise", "y", (32, 112, 112), (32, 112, 112), (3, 3), padding=(1, 1), output="z")
    assert map_blocks([wide, deep], Arch()) == {"x": 16, "y": 2, "z": 2}


@pytest.mark.parametrize(
    ("arch", "message"),
    [(Arch(accumulators=112), "4 rows of 30 accumulators"), (Arch(weight_words=71), "72 weight words")],
)
def test_a_layer_that_does_not_fit_names_what_to_raise(arch, message):
    layer = Layer("conv9", "conv", "x", (8, 30, 30), (8, 30, 30), (3, 3), padding=(1, 1))
    with pytest.raises(ArchError, match=f"conv9.*{message}.*raise"):
        channel_group(layer, arch)


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"groups": 2}, "grouped"),
        ({"dilation": (1, 2)}, "dilated"),
        ({"stride": (2, 1)}, "strides differ"),
        ({"transposed": True}, "transposed"),
    ],
)
def test_kinds_that_the_machine_lacks_are_refused_by_name(fields, kind):
    layer = Layer("conv9", "conv", "x", (4, 9, 9), (4, 5, 5), (3, 3), **fields)
    with pytest.raises(
        ArchError, match=f"conv9: .*{kind}.* are in the trace, this machine does not run them"
    ):
        channel_group(layer, Arch())
