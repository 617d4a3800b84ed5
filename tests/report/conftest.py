"""Results made by hand: two layers, two images, four cores, every number known."""

from dataclasses import replace

import pytest

from hwsim.arch import Arch
from hwsim.machine.energy import EVENTS
from hwsim.machine.result import CAUSES, LayerResult, LayerRun, Result
from hwsim.machine.runs import DRAM_KINDS
from hwsim.report.codecs import CodedMap
from hwsim.report.contents import Report

CORES = 4
COMPONENTS = ("mac", "accumulators", "weights", "decode", "encode", "map_buffer", "dram")
HOSTILE = '"><script>alert(1)</script> $x^2$ [bold]b[/bold] {a} &amp;\x1b[31m\n\x00=1+1'


def layer_run(
    name: str, image: int, cycles: int, nonzeros: int, stalls: dict[str, int], macs: int
) -> LayerRun:
    """A run of 1000 valid MACs over a map of 100 elements; what the stalls leave is compute."""
    causes = dict.fromkeys(CAUSES, 0) | stalls
    causes["compute"] = cycles * CORES - sum(stalls.values())
    return LayerRun(
        name=name,
        kind="conv",
        image=image,
        start=0,
        end=cycles,
        cycles=cycles,
        least_cycles=-(-macs // 32),
        macs=1000,
        nonzero_macs=10 * nonzeros,
        elements=100,
        nonzeros=nonzeros,
        causes=causes,
        dram={**dict.fromkeys(DRAM_KINDS, 0), "weights": 64, "maps_in": cycles, "maps_out": 8},
        map_bytes=2 * nonzeros,
        events=dict.fromkeys(EVENTS, 0) | {"mac": macs},
        energy_pj={part: float(cycles * (i + 1)) for i, part in enumerate(COMPONENTS)},
        rounds=1,
        row_groups=2,
        block=16,
    )


def layer_result(name: str, image: int, cycles: int, dense: int, nonzeros: int, **stalls: int) -> LayerResult:
    return LayerResult(
        layer_run(name, image, cycles, nonzeros, stalls, 10 * nonzeros),
        layer_run(name, image, dense, nonzeros, {"drain": 4}, 1000),
    )


@pytest.fixture(scope="session")
def result() -> Result:
    return Result(
        title="folder/little.zarr.zip",
        network="little",
        variant="sparse",
        synthetic=False,
        provenance={"seed": 7, "images": "drawn by hand"},
        calibration_pictures=5,
        chain=False,
        images=(0, 3),
        arch=Arch(cores=CORES, columns=8),
        layers=(
            layer_result("first", 0, 100, 200, 50, decode=40, dram=10),
            layer_result("second", 0, 51, 50, 20, weights=100),
            layer_result("first", 3, 120, 201, 60, decode=30, dram=50),
            layer_result("second", 3, 50, 50, 0, weights=90, imbalance=7),
        ),
    )


def map_sizes(name: str, **bits: int) -> CodedMap:
    return CodedMap(name, (1, 10, 10), 16, 3, 200, {"raw": 3200, **bits})


@pytest.fixture(scope="session")
def report(result) -> Report:
    maps = (
        map_sizes("picture", seg=1600, seg_stored=2000, zvc=1700, entropy=1280),
        map_sizes("middle", seg=400, seg_stored=640, zvc=500, entropy=0),
    )
    return Report(result, maps, {"accuracy": 0.9876})


def renamed(layer: LayerResult, name: str) -> LayerResult:
    return LayerResult(replace(layer.skipping, name=name), replace(layer.dense, name=name))


@pytest.fixture(scope="session")
def markup() -> str:
    """What the hostile report's names hold."""
    return HOSTILE


@pytest.fixture(scope="session")
def hostile(report) -> Report:
    """The report with markup, control characters and formulas in all its names."""
    result = replace(
        report.result,
        title=HOSTILE,
        network=HOSTILE,
        variant=HOSTILE,
        provenance={HOSTILE: [HOSTILE, {HOSTILE: "\ud800"}]},
        layers=tuple(renamed(layer, layer.name + HOSTILE) for layer in report.result.layers),
    )
    maps = tuple(replace(map_, name=map_.name + HOSTILE) for map_ in report.maps)
    return Report(result, maps, {HOSTILE: HOSTILE, "accuracy": HOSTILE})


@pytest.fixture(scope="session")
def synthetic(report) -> Report:
    return replace(report, result=replace(report.result, synthetic=True, variant="synthetic"))


@pytest.fixture(scope="session")
def many(report) -> Report:
    """The report with ninety-five layers."""
    layers = tuple(
        renamed(layer, f"block{number}.branch{number % 4}.conv_with_a_long_name")
        for number in range(95)
        for layer in (report.result.layers[0], report.result.layers[2])
    )
    return replace(report, result=replace(report.result, layers=layers))
