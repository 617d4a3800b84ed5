"""The least machine that holds a network; what no machine holds is left out and said so."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_networks import MemoryTrace, chains

from hwsim.arch import SUB_BANKS, Arch
from hwsim.errors import ArchError
from hwsim.layer import Layer
from hwsim.machine.fit import fit, misfits, said
from hwsim.machine.simulation import simulate
from hwsim.trace import PartialTrace
from hwsim.trace.provenance import LeftOut

SMALL = {"activation_bits": 4, "weight_bits": 2, "accumulators": SUB_BANKS, "weight_words": 2}
STEPS = {"activation_bits": 1, "weight_bits": 1, "accumulators": SUB_BANKS, "weight_words": 2}


def with_tall_kernel(trace: MemoryTrace) -> MemoryTrace:
    """The trace and one more layer, whose kernel has more rows than any core takes."""
    tall = Layer("tall", "conv", "tall in", (1, 40, 1), (1, 1, 1), (40, 1))
    images = trace.images
    values = {**trace.values, "tall in": np.ones((images, 1, 40, 1), np.uint16)}
    return replace(trace, layers=(trace.layers[0], tall, *trace.layers[1:]), values=values)


@settings(max_examples=60)
@given(chains(), st.sampled_from([1, 2, 8]), st.sampled_from([1, 16]))
def test_a_machine_grows_to_the_least_that_runs_all_layers(trace, cores, columns):
    asked = Arch(cores=cores, columns=columns, **SMALL)
    found = fit(trace, asked)
    assert found.left_out == ()
    assert len(simulate(found.trace, found.arch).layers) == len(trace.layers)
    grown = {field for field in SMALL if getattr(found.arch, field) != SMALL[field]}
    assert {change.split()[0] for change in found.changes} == grown
    assert found.arch.replace(**SMALL) == asked
    for field in grown:
        less = found.arch.replace(**{field: getattr(found.arch, field) - STEPS[field]})
        with pytest.raises(ArchError, match=f"raise {field}"):
            simulate(trace, less)


@settings(max_examples=20)
@given(chains())
def test_a_machine_that_holds_a_network_stays_as_it_is(trace):
    found = fit(trace, Arch())
    assert found.arch == Arch()
    assert found.trace is trace
    assert found.changes == found.left_out == ()


@settings(max_examples=20)
@given(chains())
def test_a_layer_that_no_machine_runs_is_left_out_and_the_others_run_as_without_it(trace):
    found = fit(with_tall_kernel(trace), Arch())
    assert [entry.layer for entry in found.left_out] == ["tall"]
    assert "rows of the kernel" in found.left_out[0].why
    assert found.left_out[0].macs == 40
    result, alone = simulate(found.trace, found.arch), simulate(trace, Arch())
    assert result.layers == alone.layers
    assert result.left_out == found.left_out
    assert result.marks[-1].startswith("Not a whole network: 1 layer is left out")
    assert set(found.trace.maps) == {layer.input for layer in trace.layers}


def test_nothing_is_grown_for_what_is_left_out():
    tall = Layer("tall", "conv", "in", (64, 40, 64), (1, 1, 64), (40, 1))
    plain = Layer("plain", "conv", "small", (1, 1, 1), (1, 1, 1))
    values = {"in": np.ones((1, 64, 40, 64), np.uint16), "small": np.ones((1, 1, 1, 1), np.uint16)}
    found = fit(MemoryTrace((tall, plain), values, 2, 4), Arch(**SMALL))
    assert found.arch.weight_words == 2


def test_a_network_of_which_no_layer_runs_is_refused_with_the_reason():
    tall = Layer("tall", "conv", "in", (1, 40, 1), (1, 1, 1), (40, 1))
    trace = MemoryTrace((tall, replace(tall, name="other")), {"in": np.ones((1, 1, 40, 1), np.uint16)}, 2, 8)
    with pytest.raises(ArchError, match=r"layer tall: rows of the kernel.*\(1 more do not run\)"):
        fit(trace, Arch())


def test_layers_that_do_not_run_are_all_named():
    layers = [Layer(f"l{k}", "conv", "in", (1, k, 1), (1, 1, 1), (k, 1)) for k in (1, 40, 3, 50)]
    assert [entry.layer for entry in misfits(layers, Arch())] == ["l40", "l50"]


def test_what_a_trace_left_out_before_stays_named_first():
    class Lacking(MemoryTrace):
        @property
        def provenance(self):
            return {"left_out": [{"layer": "attention", "why": "a product", "macs": 7}]}

    layer = Layer("a", "conv", "in", (1, 1, 1), (1, 1, 1))
    trace = Lacking((layer,), {"in": np.ones((1, 1, 1, 1), np.uint16)}, 2, 8)
    partial = PartialTrace(trace, (LeftOut("a", "too large", 1),))
    assert [entry["layer"] for entry in partial.provenance["left_out"]] == ["attention", "a"]
    assert partial.layers == []


@pytest.mark.parametrize(
    ("others", "told"), [(0, ""), (1, " (1 more do not run)"), (4, " (4 more do not run)")]
)
def test_the_first_layer_that_does_not_run_is_told_and_how_many_others_do_not(others, told):
    lost = [LeftOut(f"l{number}", "too wide", 1) for number in range(1 + others)]
    assert said(lost) == f"layer l0: too wide{told}"
