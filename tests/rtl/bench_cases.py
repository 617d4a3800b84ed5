"""The passes that the benches of the core and of the array run, and what those passes must cover."""

from dataclasses import replace
from itertools import cycle, product
from typing import Any

import numpy as np
from core_cases import Case, Operands, cases, handful, operands
from hypothesis import HealthCheck, Phase, given, seed, settings
from mapped_cases import mapped_pass
from reference_rows import columns_reached, owned_taps
from streams import Coverage

from hwsim import open_trace
from hwsim.arch import LONG_RUN, Arch
from hwsim.layer import Layer
from hwsim.machine.descriptors import Code
from hwsim.quantize import Requantize
from hwsim.trace.shipped import shipped_trace

ORDERS = range(16)
SHORT_CYCLES = 300  # of a random pass: simulators are slow
MODES = list(product((True, False), repeat=2))  # skip_zeros, compress
OTHERS = 4  # random passes of each mode but the first


def all_cases(arch: Arch, number: int) -> list[Case]:
    """Passes of every kind: chosen, of a real network, and random ones by ``number``."""
    return [*handful(arch), every_run(arch), *real_passes(arch), *random_passes(arch, number)]


def small_case(arch: Arch) -> Case:
    """A pass of few cycles that adds up over rows, for a machine of two columns or more."""
    return Case(
        layer=Layer("small", "conv", "x", (2, 3, 4), (2, 3, 4), (3, 1), padding=(1, 0)),
        arch=arch,
        owned=(0, 1, 2),
        first=0,
        out_channels=2,
        block=2,
        out_block=1,
        source=Code(8, 2),
        target=Code(8, 0, True),
        shift=22,
        density=0.8,
        seed=11,
    )


def every_run(arch: Arch) -> Case:
    """A row with runs of 0, 1, 2, ... zeros up to more than the longest symbol holds."""
    lengths = [*range(arch.run_max + 2), LONG_RUN * arch.run_max, LONG_RUN * arch.run_max + 1]
    places = np.cumsum(np.add(lengths, 1)) - 1
    values = np.zeros((1, 1, places[-1] + 2), np.uint16)
    values[0, 0, places] = np.add(lengths, 5)
    layer = Layer("runs", "conv", "x", values.shape, (1, 1, 20), relu=False)
    drain = Requantize(np.array([-300]), np.array([1 << 15]), 20, False, 8, True, 1)
    return Case(
        layer=layer,
        arch=arch,
        owned=(0,),
        first=0,
        out_channels=1,
        block=1,
        out_block=1,
        source=Code(8, 3),
        target=Code(8, 1, True),
        shift=20,
        density=0.0,
        seed=0,
        given=Operands(values, np.full((1, 1, 1, 1), 77, np.int16), drain),
    )


def real_passes(arch: Arch) -> list[Case]:
    """Passes of the shipped LeNet-5, image 0: all of fc3, skipping and dense, and cuts of larger layers."""
    with open_trace(shipped_trace()) as trace:

        def case(name: str, first: int, owned: tuple[int, ...] = (0,), **changes: Any) -> Case:
            layer = next(layer for layer in trace.layers if layer.name == name)
            info, drain = trace.maps[layer.input], trace.requantize(layer)
            given = Operands(trace.map(layer.input, 0), trace.weights(layer), drain)
            one = Case(
                layer=layer,
                arch=arch,
                owned=owned,
                first=first,
                out_channels=min(arch.columns, layer.out_shape[0] - first),
                block=4,
                out_block=4,
                source=Code(info.bits, info.order, info.signed),
                target=Code(drain.bits, drain.order, drain.signed),
                shift=drain.shift,
                density=0.0,
                seed=0,
                given=given,
            )
            return replace(one, **changes)

        return [
            case("conv1", 2, (10,)),
            case("conv2", 4, (0, 3, 4)),
            case("fc2", 80),
            *(case("fc3", first, arch=machine) for machine in (arch, arch.dense()) for first in (0, 4, 8)),
        ]


def random_passes(arch: Arch, number: int) -> list[Case]:
    """Short random passes of all modes, the same for a ``number`` in one process; of the first all orders."""
    found: dict[Layer, Case] = {}

    @seed(number)
    @settings(
        max_examples=100,
        database=None,
        phases=[Phase.generate],
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(cases(arch).filter(lambda case: mapped_pass(case).recurrence(2).cycles <= SHORT_CYCLES))
    def collect(case: Case) -> None:
        found.setdefault(case.layer, case)

    collect()
    first, *others = (
        [case for case in found.values() if (case.arch.skip_zeros, case.arch.compress) == mode]
        for mode in MODES
    )
    return [
        *(
            replace(
                case, source=replace(case.source, order=order), target=replace(case.target, order=15 - order)
            )
            for order, case in zip(ORDERS, cycle(first), strict=False)
        ),
        *(case for cases in others for case in cases[:OTHERS]),
    ]


def cover(coverage: Coverage, case: Case) -> None:
    """Count what a pass exercises."""
    layer, skip = case.layer, case.arch.skip_zeros
    values = operands(case).values
    values = values[case.unit.reads.start : case.unit.reads.stop]
    coverage.hit("kind", (layer.kind, skip))
    coverage.hit("mode", (skip, case.arch.compress))
    coverage.hit("stride", layer.stride[0])
    coverage.hit("transposed", layer.transposed)
    coverage.hit("groups", "one" if layer.groups == 1 or case.depthwise else "some")
    coverage.hit("dilated", layer.dilation != (1, 1))
    coverage.hit("kernel height", layer.kernel[0])
    coverage.hit("kernel width", layer.kernel[1])
    coverage.hit("relu", layer.relu)
    coverage.hit("clamped", layer.clamped)
    coverage.hit("vectors", layer.kind == "linear" and layer.in_shape[2] > 1)
    coverage.hit("signed in", case.source.signed)
    coverage.hit("signed out", case.target.signed)
    coverage.hit("rows", "one" if layer.in_shape[1] == 1 else "some")
    coverage.hit("columns", "one" if layer.in_shape[2] == 1 else "some")
    coverage.hit("owned", "one" if len(case.owned) == 1 else "some")
    if case.arch.compress:
        coverage.hit("order in", case.source.order)
        coverage.hit("order out", case.target.order)
    for y in range(layer.in_shape[1]):
        reach = len(owned_taps(layer, case.owned, y))
        if not reach:
            continue
        for first in range(0, len(values), case.block):
            segment = values[first : first + case.block, y]
            places = np.flatnonzero(segment)
            if skip and case.arch.compress and len(places):
                for run in np.diff(places, prepend=-1) - 1:
                    coverage.hit("run", int(run))
                    coverage.hit("run", "longer" if run > case.arch.run_max else "one symbol")
                    coverage.hit("run", "longest" if run > LONG_RUN * case.arch.run_max else "shorter")
            coverage.hit("segment", "zeros" if not len(places) else "values")
            for x in (places if skip else np.arange(segment.size)) % layer.in_shape[2]:
                coverage.hit("taps", reach * columns_reached(layer, int(x)))


def require_all(coverage: Coverage, arch: Arch) -> None:
    """Fail for what no pass exercised."""
    kinds = ("conv", "depthwise", "linear")
    both = (False, True)
    coverage.require("mode", MODES)
    coverage.require("kind", [(kind, skip) for kind in kinds for skip in both])
    coverage.require("stride", [1, 2, 3])
    coverage.require("transposed", both)
    coverage.require("groups", ["one", "some"])
    coverage.require("dilated", both)
    coverage.require("kernel height", [1, 2, 3, 5])
    coverage.require("kernel width", [1, 2, 3, 5, 7])
    for name in ("relu", "clamped", "vectors", "signed in", "signed out"):
        coverage.require(name, both)
    for name in ("rows", "columns", "owned"):
        coverage.require(name, ["one", "some"])
    coverage.require("order in", ORDERS)
    coverage.require("order out", ORDERS)
    coverage.require("run", [*range(arch.run_max + 1), "longer", "longest"])
    coverage.require("segment", ["zeros", "values"])
    coverage.require("taps", range(10))
