"""Each part of a core of two lanes against its golden model, under Icarus."""

import pytest
from simulate import run_bench

from hwsim.arch import Arch
from hwsim_rtl.core.chooser import ItemChooser
from hwsim_rtl.core.lane_position import LanePositions
from hwsim_rtl.core.lane_scatter import LaneScatter
from hwsim_rtl.core.reader import Reader

FIELDS = {"columns": 4, "accumulators": 256, "weight_words": 640}


def test_reader_serves_every_slot_by_the_page():
    run_bench(Reader(Arch(**FIELDS)), "reader", arch=FIELDS, passes=120)


def test_positions_of_every_symbol_of_both_lanes():
    run_bench(LanePositions(Arch(**FIELDS)), "lane_position", arch=FIELDS, passes=60)


def test_chooser_takes_every_item_in_its_cycle():
    run_bench(ItemChooser(Arch(**FIELDS)), "chooser", arch=FIELDS, passes=60)


@pytest.mark.parametrize("stalls", [0, 0.5])
def test_scatter_issues_every_tap_of_a_chosen_item_in_its_cycle(stalls):
    run_bench(LaneScatter(Arch(**FIELDS)), "lane_scatter", arch=FIELDS, items=120, stalls=stalls)
