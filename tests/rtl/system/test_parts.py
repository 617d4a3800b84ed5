"""The parts of a machine around its array, each under Icarus against what its docstring says."""

import pytest
from simulate import run_bench

from hwsim.arch import Arch
from hwsim_rtl.bits.unpacker import BitUnpacker
from hwsim_rtl.system.map_remaker import MapRemaker
from hwsim_rtl.system.map_writer import MapWriter
from hwsim_rtl.system.read_router import ReadRouter
from hwsim_rtl.system.weights_reader import WeightsReader


@pytest.mark.parametrize(("most", "stalls"), [(64, 0.3), (300, 0), (48, 0.3)])
def test_pieces_are_cut_out_of_beats(most, stalls):
    run_bench(BitUnpacker(most), "unpacker", most=most, units=40, stalls=stalls)


@pytest.mark.parametrize("stalls", [0, 0.4])
def test_words_and_entries_are_written_into_their_places(stalls):
    run_bench(MapWriter(), "map_writer", maps=20, stalls=stalls)


@pytest.mark.parametrize(("bits", "stalls"), [(16, 0), (8, 0.3), (4, 0)])
def test_maps_are_pooled_and_flattened(bits, stalls):
    fields = {"columns": 4, "activation_bits": bits}
    run_bench(MapRemaker(Arch(**fields)), "map_remaker", arch=fields, maps=60, stalls=stalls)


@pytest.mark.parametrize("stalls", [0, 0.4])
def test_beats_are_given_to_who_asked_for_them(stalls):
    run_bench(ReadRouter(3), "read_router", clients=3, requests=30, stalls=stalls)


@pytest.mark.parametrize("stalls", [0, 0.3])
def test_units_are_loaded_when_their_cores_have_room(stalls):
    fields = {
        "columns": 4,
        "accumulators": 256,
        "weight_words": 16,
        "cores": 2,
        "map_buffer": 32768,
    }
    run_bench(WeightsReader(Arch(**fields)), "weights_reader", arch=fields, networks=40, stalls=stalls)
