"""Compression of maps by every coder, from a trace with one map that two layers read."""

from dataclasses import dataclass

import numpy as np
import pytest
from in_memory import InMemory

from hwsim import Arch, codec
from hwsim.codec import golden, labels
from hwsim.layer import Layer
from hwsim.machine.simulation import simulate
from hwsim.report import codecs
from hwsim.report.comparison import Comparison
from hwsim.trace import MapInfo


@dataclass(frozen=True)
class Shared(InMemory):
    """A trace of one map of 10-bit values under two layers, two images, the second one zero."""

    images = 2
    maps = {"x": MapInfo("x", (4, 6, 5), 10, 2, False, 1.0)}  # noqa: RUF012
    layers = (
        Layer("a", "conv", "x", (4, 6, 5), (3, 6, 5), (3, 3), padding=(1, 1)),
        Layer("b", "conv", "x", (4, 6, 5), (2, 6, 5)),
    )

    def map(self, name: str, image: int) -> np.ndarray:
        rng = np.random.default_rng(5)
        values = rng.integers(0, 1 << 10, (4, 6, 5)) * (rng.random((4, 6, 5)) < 0.4)
        return (values * (image == 0)).astype(np.uint16)


@pytest.fixture(scope="module")
def sizes() -> codecs.CodedMap:
    trace = Shared()
    (sizes,) = codecs.measure(trace, simulate(trace, Arch(cores=2, columns=4)))
    return sizes


def test_every_coder_of_the_registry_is_measured(sizes):
    assert set(sizes.coded_bits) == {"raw", labels.STORED, *codec.names()}


def test_raw_words_have_the_width_of_the_map(sizes):
    assert sizes.coded_bits["raw"] == 2 * 120 * 10
    assert codecs.base([sizes]) == "raw 10-bit words"


def test_seg_is_as_long_as_the_golden_model_makes_it(sizes):
    trace = Shared()
    expected = sum(len(golden.encode(trace.map("x", image).ravel().tolist(), 2)) for image in (0, 1))
    assert sizes.coded_bits["seg"] == expected


def test_a_map_with_two_readers_is_stored_once(sizes):
    # 6 rows of one block of 4 channels an image, padded to words, with 4 bytes of index each
    rows = [
        len(golden.encode(Shared().map("x", image)[:, y].ravel().tolist(), 2))
        for image in (0, 1)
        for y in range(6)
    ]
    assert sizes.coded_bits[labels.STORED] == sum(-(-bits // 64) * 64 + 32 for bits in rows)


def test_progress_counts_to_the_end():
    seen = []
    trace = Shared()
    codecs.measure(trace, simulate(trace, Arch(cores=2, columns=4)), lambda *step: seen.append(step))
    assert seen == [(1, 2), (2, 2)]


def test_a_coder_that_needs_no_bit_has_a_ratio_without_bound(report):
    assert report.maps[1].ratio("entropy") is None
    assert report.to_dict()["compression"]["maps"][1]["ratio"]["entropy"] is None


def test_mixed_widths_are_named_as_the_base(sizes, report):
    assert codecs.base([sizes, *report.maps]) == "raw words of 10 to 16 bits"


def test_a_comparison_tells_the_bytes_of_one_image_of_either_side():
    trace = Shared()
    both = simulate(trace, Arch(cores=2, columns=4))
    first = simulate(trace, Arch(cores=2, columns=4), images=[0])
    coded = {"maps_a": codecs.measure(trace, first), "maps_b": codecs.measure(trace, both)}
    raw, *_ = Comparison(first, both, **coded).coders()
    assert raw["coder"] == "raw words"
    assert (raw["bytes_a"], raw["bytes_b"]) == (4 * 6 * 5 * 10 / 8, 4 * 6 * 5 * 10 / 8)
