"""The parts that read an image, keep it on chip and write its result, against models of them."""

import pytest
from simulate import run_bench

from hwsim.arch import Arch
from hwsim_rtl.system.header_reader import HeaderReader
from hwsim_rtl.system.input_reader import InputReader
from hwsim_rtl.system.map_halves import MapHalves
from hwsim_rtl.system.program_store import ProgramStore
from hwsim_rtl.system.result_writer import ResultWriter

SMALL = {"columns": 4, "accumulators": 256, "weight_words": 16, "cores": 2, "map_buffer": 1024}


@pytest.mark.parametrize("rate", [1.0, 0.5])
def test_headers_are_read_and_judged(rate):
    run_bench(HeaderReader(Arch(**SMALL)), "header_reader", arch=SMALL, cycles=2500, rate=rate)


@pytest.mark.parametrize(("given", "taken"), [(1.0, 1.0), (0.5, 0.9), (1.0, 0.4)])
def test_programs_are_kept_as_long_as_they_are_needed(given, taken):
    run_bench(ProgramStore(), "program_store", cycles=4000, given=given, taken=taken)


@pytest.mark.parametrize("stalls", [0, 0.4])
def test_results_are_written_once_and_whole(stalls):
    run_bench(ResultWriter(), "result_writer", results=80, stalls=stalls)


def test_halves_of_the_map_buffer_are_read_written_and_swapped():
    run_bench(MapHalves(Arch(**SMALL)), "map_halves", map_buffer=SMALL["map_buffer"], cycles=2000)


@pytest.mark.parametrize("stalls", [0, 0.4])
def test_the_input_map_comes_into_its_places(stalls):
    run_bench(InputReader(), "input_reader", maps=36, stalls=stalls)
