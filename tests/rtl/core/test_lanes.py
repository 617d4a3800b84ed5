"""Each part of a core of two lanes against its golden model, under Icarus."""

from simulate import run_bench

from hwsim.arch import Arch
from hwsim_rtl.core.reader import Reader

FIELDS = {"columns": 4, "accumulators": 256, "weight_words": 640}


def test_reader_serves_every_slot_by_the_page():
    run_bench(Reader(Arch(**FIELDS)), "reader", arch=FIELDS, passes=120)
