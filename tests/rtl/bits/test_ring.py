"""RingFirst against a plain search."""

from simulate import run_bench

from hwsim_rtl.bits.ring import RingFirst


def test_the_first_one_of_the_ring_is_found_from_every_chunk():
    run_bench(RingFirst(), "ring")
