"""One run, one number: JSON, CSV, page, comparison, sweep and reproduction against an audit of runs.csv."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as parquet
import pytest

import hwsim
from hwsim.arch import Arch
from hwsim.layer import Layer
from hwsim.machine.energy import event_table
from hwsim.report.bounds import BOUND_COLUMNS
from hwsim.report.comparison import Comparison
from hwsim.report.contents import Report
from hwsim.report.tables import LAYER_COLUMNS
from hwsim.report.traffic import LAYER_TRAFFIC_COLUMNS
from hwsim.report.write import write_comparison, write_report
from hwsim.reproduce.from_trace import measure_trace
from hwsim.reproduce.tables import speed_of
from hwsim.sweep import Space, sweep
from hwsim.trace import MapInfo, TraceWriter

CAUSES = ("compute", "taps", "decode", "dram", "weights", "drain", "pool", "imbalance")
PARTS = ("mac", "accumulators", "weights", "decode", "encode", "map_buffer", "dram")
# A machine whose clock, channel and energies are not 1, with a buffer too small for the maps.
FIELDS = {
    "cores": 3,
    "columns": 4,
    "clock_mhz": 250.0,
    "bytes_per_cycle": 8,
    "dram_efficiency": 81,
    "map_buffer": 600,
}
ARCH = Arch(**FIELDS)
Row = dict[str, str]


def audit(rows: list[Row], arch: Arch) -> dict[str, float | str | None]:
    """Every number of an account from rows of runs.csv, by what docs/guide.md says of it."""
    images = len({row["image"] for row in rows})
    by_mode = {mode: [row for row in rows if row["mode"] == mode] for mode in ("skipping", "dense")}

    def add(mode: str, *columns: str) -> float:
        return sum(float(row[column]) for row in by_mode[mode] for column in columns)

    def over(part: float, whole: float) -> float | None:
        return part / whole if whole else None

    found: dict[str, Any] = {
        "macs": add("skipping", "macs") / images,
        "nonzero_macs": add("skipping", "nonzero_macs") / images,
        "density": over(add("skipping", "nonzeros"), add("skipping", "elements")),
        "speedup": over(add("dense", "cycles"), add("skipping", "cycles")),
        "mac_ratio": over(add("skipping", "macs"), add("skipping", "nonzero_macs")),
        "seconds": add("skipping", "cycles") / images / (arch.clock_mhz * 1e6),
        "maps_saved": None,
        "dram_saved": 1 - add("skipping", *DRAM) / add("dense", *DRAM),
    }
    found["efficiency"] = found["mac_ratio"] and found["speedup"] / found["mac_ratio"]
    if add("dense", *DRAM[3:]):
        found["maps_saved"] = 1 - add("skipping", *DRAM[3:]) / add("dense", *DRAM[3:])
    waits = ("core_cycles_dram", "core_cycles_weights")
    works = tuple(f"core_cycles_{cause}" for cause in CAUSES if f"core_cycles_{cause}" not in waits)
    found["speedup_less_dram"] = over(add("dense", *works), add("skipping", *works))
    energies = tuple(f"energy_pj_{part}" for part in PARTS)
    found["energy_ratio"] = add("dense", *energies) / add("skipping", *energies)
    for mode, prefix in (("skipping", ""), ("dense", "dense_")):
        cycles = add(mode, "cycles")
        stalls = {cause: add(mode, f"core_cycles_{cause}") for cause in CAUSES}
        found |= {
            f"{prefix}cycles": cycles / images,
            f"{prefix}least_cycles": add(mode, "least_cycles") / images,
            f"{prefix}utilization": add(mode, "events_mac") / (cycles * arch.cores * arch.columns),
            f"{prefix}channel_cycles": add(mode, *DRAM)
            / images
            / (arch.bytes_per_cycle * arch.dram_efficiency / 100),
            f"{prefix}dram_wait": (stalls["dram"] + stalls["weights"]) / (cycles * arch.cores),
            f"{prefix}dram_bytes": add(mode, *DRAM) / images,
            f"{prefix}dram_maps": add(mode, *DRAM[3:]) / images,
            f"{prefix}energy_uj": add(mode, *energies) / images / 1e6,
            **{f"{prefix}{column}": add(mode, column) / images for column in DRAM},
            **{f"{prefix}core_cycles_{cause}": count / images for cause, count in stalls.items()},
            **{f"{prefix}cause_{cause}": n / (cycles * arch.cores) for cause, n in stalls.items()},
            **{f"{prefix}energy_uj_{part}": add(mode, f"energy_pj_{part}") / images / 1e6 for part in PARTS},
        }
        del stalls["compute"]
        worst = max(stalls, key=stalls.__getitem__)
        found |= {
            f"{prefix}largest_stall": worst,
            f"{prefix}largest_stall_share": found[f"{prefix}cause_{worst}"],
        }
    # The estimate: the baseline's energy less what its sums take, and 0.2 pJ for each product instead.
    table = event_table(arch)
    sums = (
        add("dense", "events_accumulator") * table["accumulator"]
        + add("dense", "events_drain") * table["drain"]
    )
    registers = add("dense", *energies) - sums + 0.2 * add("dense", "events_accumulator")
    found["register_energy_uj"] = registers / images / 1e6
    found["register_energy_ratio"] = registers / add("skipping", *energies)
    macs, dense_macs = add("skipping", "events_mac"), add("dense", "events_mac")
    extra = {
        cause: macs
        and add("dense", f"core_cycles_{cause}") / dense_macs - add("skipping", f"core_cycles_{cause}") / macs
        for cause in CAUSES
    }
    within = not macs or found["speedup"] <= found["mac_ratio"]
    found["beyond"] = None if within else max(extra, key=extra.__getitem__)
    return found


DRAM = (
    *("dram_weights", "dram_scales", "dram_programs"),
    *("dram_index", "dram_maps_in", "dram_maps_out", "dram_pooled", "dram_residuals"),
)
LAYERS = (
    Layer("conv", "conv", "image", (3, 9, 8), (6, 9, 8), (3, 3), padding=(1, 1), output="middle"),
    Layer("depthwise", "depthwise", "middle", (6, 9, 8), (6, 5, 4), (3, 3), (2, 2), (1, 1), output="small"),
    Layer("=strided", "conv", "small", (6, 5, 4), (5, 3, 2), (1, 1), (2, 2), output="flat"),
    Layer("fc", "linear", "flat", (30, 1, 1), (7, 1, 1)),
)
MAPS = (
    MapInfo("image", (3, 9, 8), 8, 2, False, 0.5),
    MapInfo("middle", (6, 9, 8), 12, 5, False, 0.5),
    MapInfo("small", (6, 5, 4), 12, 5, False, 0.5),
    MapInfo("flat", (30, 1, 1), 16, 3, False, 0.5),
)
DENSITY = {"image": 1.0, "middle": 0.4, "small": 0.9, "flat": 0.0}  # nothing enters the last layer


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("trace") / "made.zarr.zip"
    rng = np.random.default_rng(5)
    with TraceWriter(
        path,
        network="made",
        variant="up",
        synthetic=True,
        provenance={},
        layers=LAYERS,
        maps=MAPS,
        images=3,
        weight_bits=8,
    ) as writer:
        for image in range(3):
            for known in MAPS:
                codes = rng.integers(1, 1 << known.bits, known.shape)
                codes *= rng.random(known.shape) < DENSITY[known.name]
                writer.write_map(known.name, image, codes.astype(np.uint16))
    return path


@pytest.fixture(scope="module")
def result(place) -> hwsim.Result:
    return hwsim.simulate(hwsim.open_trace(place), ARCH, [0, 2])


@pytest.fixture(scope="module")
def folder(place, result, tmp_path_factory) -> Path:
    target = tmp_path_factory.mktemp("report")
    write_report(Report.of(hwsim.open_trace(place), result), target)
    return target


def read(path: Path) -> list[Row]:
    """Rows of a file, without the apostrophe before names that a spreadsheet would run."""
    with path.open(newline="") as file:
        return [{key: cell.removeprefix("'") for key, cell in row.items()} for row in csv.DictReader(file)]


@pytest.fixture(scope="module")
def audited(folder) -> dict[str, dict[str, float | str | None]]:
    """By layer, in their order, the audit; all layers under their own name."""
    rows = read(folder / "runs.csv")
    names = dict.fromkeys(row["layer"] for row in rows)
    return {
        "all layers": audit(rows, ARCH),
        **{name: audit([row for row in rows if row["layer"] == name], ARCH) for name in names},
    }


def close(value: float | str | None) -> Any:
    """What equals a number but for its last digits, however small it is."""
    return value if value is None or isinstance(value, str) else pytest.approx(value, rel=1e-12, abs=0)


def same(row: dict, expected: dict, keys: Callable[[str], bool] = lambda key: True) -> None:
    for key, value in expected.items():
        if keys(key):
            assert row[key] == close(value), key


def test_the_audit_meets_what_is_hard(audited):
    assert audited["fc"]["mac_ratio"] is audited["fc"]["efficiency"] is None
    assert audited["fc"]["maps_saved"] is not None
    assert any(row["beyond"] for row in audited.values())
    assert audited["all layers"]["dram_maps"] > 0
    assert len({row["largest_stall"] for row in audited.values()}) > 1


def test_json_has_the_audited_numbers_and_no_other(folder, audited):
    document = json.loads((folder / "report.json").read_text())
    same(document["totals"], audited["all layers"])
    for row in document["per_layer"]:
        same(row, audited[row["layer"]])
    assert [row["layer"] for row in document["per_layer"]] == [layer.name for layer in LAYERS]
    assert set(document["totals"]) == {*audited["all layers"], "layer", "kind"}


def test_the_sums_in_json_are_those_of_the_runs(folder, audited):
    sums = json.loads((folder / "report.json").read_text())["sums"]
    rows = read(folder / "runs.csv")
    for mode, totals in sums.items():
        mine = [row for row in rows if row["mode"] == mode]
        for group, prefix in (("causes", "core_cycles_"), ("dram", "dram_"), ("events", "events_")):
            for key, value in totals[group].items():
                assert value == sum(int(row[f"{prefix}{key}"]) for row in mine)
        for key in ("cycles", "least_cycles", "macs", "nonzero_macs", "elements", "nonzeros", "map_bytes"):
            assert totals[key] == sum(int(row[key]) for row in mine)


def test_layers_csv_has_the_audited_numbers(folder, audited):
    rows = read(folder / "layers.csv")
    assert [row["layer"] for row in rows] == [layer.name for layer in LAYERS]
    for row in rows:
        for key, value in audited[row["layer"]].items():
            if value is None or isinstance(value, str):
                assert row[key] == (value or "")
            else:
                assert float(row[key]) == close(value), key


def test_a_run_in_csv_is_whole(folder):
    for row in read(folder / "runs.csv"):
        assert sum(int(row[f"core_cycles_{cause}"]) for cause in CAUSES) == int(row["cycles"]) * ARCH.cores
        assert int(row["end"]) - int(row["start"]) == int(row["cycles"]) >= int(row["least_cycles"])
        assert int(row["events_dram_byte"]) == sum(int(row[column]) for column in DRAM)
        performed = row["macs"] if row["mode"] == "dense" else row["nonzero_macs"]
        assert row["events_mac"] == row["events_accumulator"] == performed


def test_tables_of_terminal_and_page_show_the_audited_numbers(result, audited):
    columns = {column.key: column for table in TABLES for column in table}
    for row in (result.overall(), *result.per_layer()):
        same(row, audited[row["layer"]], columns.__contains__)


TABLES = (LAYER_COLUMNS, LAYER_TRAFFIC_COLUMNS, BOUND_COLUMNS)


def test_a_result_answers_with_the_audited_numbers(result, audited):
    total = audited["all layers"]
    for mode, prefix in (("skipping", ""), ("dense", "dense_")):
        assert result.total(mode) / 2 == total[f"{prefix}cycles"]
        assert result.dram_bytes(mode) / 2 == total[f"{prefix}dram_bytes"]
        assert result.energy_pj(mode) / 2e6 == pytest.approx(total[f"{prefix}energy_uj"], rel=1e-12, abs=0)
    for key in ("density", "speedup", "mac_ratio"):
        assert getattr(result, key) == total[key]


def test_a_comparison_has_the_audited_numbers_of_both_sides(place, result, audited, tmp_path):
    other = hwsim.simulate(hwsim.open_trace(place), ARCH.replace(cores=1), [0])
    write_comparison(Comparison(other, result), tmp_path)
    document = json.loads((tmp_path / "compare.json").read_text())
    lines = read(tmp_path / "compare.csv")
    rows = [*document["per_layer"], document["totals"]]
    for row, line in zip(rows, lines, strict=True):
        for key, value in audited[row["layer"]].items():
            if f"{key}_b" in row:
                assert row[f"{key}_b"] == close(value)
                shown = line[f"{key}_b"]
                assert (float(shown) if isinstance(value, float) else shown or None) == close(value)
        mine = {key: row[f"{key}_{side}"] for key in ("cycles", "dram_bytes", "energy_uj") for side in "b"}
        theirs = {key: row[f"{key}_a"] for key in mine}
        assert row["speedup_b_over_a"] == theirs["cycles"] / mine["cycles"]
        assert row["dram_a_over_b"] == theirs["dram_bytes"] / mine["dram_bytes"]
        assert row["energy_a_over_b"] == theirs["energy_uj"] / mine["energy_uj"]
    assert {f"{key}_{side}" for key in NAMED for side in "ab"} <= set(rows[0])


NAMED = (
    *(f"{prefix}{column}" for prefix in ("", "dense_") for column in (*DRAM, "dram_bytes")),
    *("maps_saved", "dram_saved", "energy_uj", "dense_energy_uj", "register_energy_uj"),
    *("speedup", "mac_ratio", "utilization", "least_cycles", "speedup_less_dram", "beyond", "largest_stall"),
    "largest_stall_share",
)


def test_a_sweep_has_the_audited_numbers(place, audited, tmp_path):
    fixed = {key: value for key, value in FIELDS.items() if key != "cores"}
    space = Space.parse({"machine": fixed, "space": {"cores": [3, 1]}})
    points, layers = sweep([str(place)], space, tmp_path / "sweep", images=[0, 2], workers=1)
    (row,) = [row for row in parquet.read_table(points).to_pylist() if row["cores"] == ARCH.cores]
    same(row, audited["all layers"], lambda key: key in row)
    assert set(audited["all layers"]) - set(row) == {
        "beyond",
        *(
            f"{prefix}{key}"
            for prefix in ("", "dense_")
            for key in (
                *("largest_stall", "largest_stall_share"),
                *(f"{what}_{cause}" for what in ("cause", "core_cycles") for cause in CAUSES),
                *(f"energy_uj_{part}" for part in PARTS),
            )
        ),
    }
    mine = [line for line in parquet.read_table(layers).to_pylist() if line["point"] == row["point"]]
    assert [line["layer"] for line in mine] == [layer.name for layer in LAYERS]
    for line in mine:
        same(line, audited[line["layer"]], lambda key: key in line)  # noqa: B023
        assert {f"{prefix}{column}" for prefix in ("", "dense_") for column in DRAM} <= set(line)
        assert {f"core_cycles_{cause}" for cause in CAUSES} | {"energy_uj", "cycles"} <= set(line)


def test_a_machine_of_a_sweep_by_hand(place, tmp_path):
    space = Space.parse({"machine": FIELDS, "space": {"run_max": [16]}})
    points, _ = sweep([str(place)], space, tmp_path / "sweep", images=[1], workers=1)
    (row,) = parquet.read_table(points).to_pylist()
    assert (row["images"], row["peak_macs"], row["bandwidth_gb_s"]) == (1, 12, 2.0)
    # Twelve banks of 1024: two copies of 33 bits and two of a mark; weights of 9216 x 12 bytes; 600 bytes.
    assert row["sram_bytes"] == 12 * 1024 * 68 // 8 + 9216 * 12 + 600


def test_a_reproduction_has_the_audited_numbers(place):
    trace = hwsim.open_trace(place)
    found = measure_trace(trace, 2)
    result = hwsim.simulate(trace, images=range(2))
    for row, account in zip(found.layers, result.accounts.values(), strict=True):
        assert (row.name, row.macs, row.nonzero_macs) == (
            account.name,
            account.skipping.macs,
            account.skipping.nonzero_macs,
        )
        assert (row.cycles, row.dense_cycles) == (account.skipping.cycles, account.dense.cycles)
    speed = speed_of(found)
    assert (speed.speedup, speed.mac_ratio) == (result.speedup, result.mac_ratio)
