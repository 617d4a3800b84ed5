"""What limits the machine and what the code costs: every figure is that of a machine that was run."""

import json

import pytest

from hwsim import Arch, open_trace, simulate
from hwsim.machine.area import area, core_luts
from hwsim.report import codec_cost
from hwsim.report.changes import PARAMETERS, SHAPES, doublings
from hwsim.report.contents import Report
from hwsim.report.diagnosis import Diagnosis
from hwsim.report.limits import LIMITED, Limits
from hwsim.report.report_page import report_page
from traces import Tiny

ARCH = Arch(cores=2, columns=2, bytes_per_cycle=1, run_max=16)
SLOW = Arch(cores=1, columns=1, bytes_per_cycle=1, dram_latency=4)  # a limit can be lifted, another cannot


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return Tiny().write(tmp_path_factory.mktemp("trace") / "tiny.zarr")


@pytest.fixture(scope="module")
def answers(place) -> Diagnosis:
    with open_trace(place) as trace:
        return Diagnosis.of(trace, simulate(trace, ARCH))


def test_a_change_is_one_field_doubled_or_halved_or_the_shape_turned():
    before = ARCH.model_dump()
    for fields in doublings(ARCH).values():
        assert all(fields[name] in (2 * before[name], before[name] // 2) for name in fields)
        assert set(fields) in ({"cores", "columns"}, {next(iter(fields))})


def test_every_change_that_a_machine_can_take_is_run(place, answers):
    assert set(answers.limits.changed) == set(doublings(ARCH)) - {"twice the run of zeros"}  # 16 is the most
    for row in answers.limits.machine_rows():
        machine = ARCH.replace(**doublings(ARCH)[row["change"]])
        assert row["cycles"] == simulate(place, machine).overall()["cycles"]
        assert row["more_luts"] == area(machine).luts / area(ARCH).luts
    speedups = [row["speedup"] for row in answers.limits.machine_rows()]
    assert speedups == sorted(speedups, reverse=True)


def lifted(place, before, **fields) -> bool:
    """Whether a layer is faster on a machine, and loses little to the stall that limited it before."""
    rows = {row["layer"]: row for row in simulate(place, SLOW.replace(**fields)).per_layer()}
    after = rows[before["layer"]]
    return (after[f"cause_{before['largest_stall']}"] or 0) < 0.05 and after["cycles"] * 1.02 <= before[
        "cycles"
    ]


def test_a_limited_layer_has_the_least_change_that_lifts_it_or_the_doubling_that_helps_most(place):
    with open_trace(place) as trace:
        limits = Limits.of(trace, simulate(trace, SLOW))
    before = {row["layer"]: row for row in simulate(place, SLOW).per_layer()}
    rows = {row["layer"]: row for row in limits.rows()}
    assert set(rows) == {name for name, row in before.items() if (row["largest_stall_share"] or 0) >= LIMITED}
    assert {row["lifts"] for row in rows.values()} == {True, False}  # else half of this sees nothing
    for name, row in rows.items():
        assert row["share"] == before[name][f"cause_{row['stall']}"]
        if row["lifts"]:
            least = limits.least[name]
            field, step = least.parameter.field, -1 if least.parameter.sinks else 1
            tried = range(getattr(SLOW, field) + step, least.value + step, step * least.parameter.step)
            assert [lifted(place, before[name], **{field: value}) for value in tried] == [
                *[False] * (len(tried) - 1),
                True,
            ]
            assert f"{getattr(SLOW, field)} to {least.value}" in row["change"]
            continue
        for known in PARAMETERS:
            for times in (2, 4, 8):
                value = known.changed(SLOW, times)
                if known.field != "run_max":  # 16 is the most
                    assert not lifted(place, before[name], **{known.field: value})
        gains = {
            change: before[name]["cycles"] / of["cycles"]
            for change, result in limits.changed.items()
            for of in result.per_layer()
            if of["layer"] == name
        }
        cheap = {change: gain for change, gain in gains.items() if change in SHAPES or "cores" not in change}
        choice = cheap if max(cheap.values()) >= 1.02 else gains
        if row["gain"] is None:
            assert max(choice.values()) < 1.02
        else:
            assert row["gain"] == choice[row["change"]] >= max(choice.values()) - 0.005


def test_the_sentence_has_the_figures_of_the_table(answers):
    words, first = answers.limits.words(), answers.limits.rows()[0]
    assert f"{first['layer']}: {first['share'] * 100:.1f} % {first['stall']}; {first['change']}" in words


@pytest.mark.parametrize("compress", [True, False])
def test_the_code_is_held_against_the_same_machine_with_raw_maps(place, compress):
    with open_trace(place) as trace:
        cost = Diagnosis.of(trace, simulate(trace, ARCH.replace(compress=compress))).codec
    assert cost.coded.arch == ARCH
    assert cost.raw.arch == ARCH.replace(compress=False)
    luts = core_luts(ARCH)
    code = luts["decoder"] + luts["encoder"] + luts["additions"]
    assert cost.luts_share == pytest.approx(code / sum(luts.values()))
    energy = cost.coded.overall()
    part = energy["energy_uj_decode"] + energy["energy_uj_encode"]
    assert cost.energy_share == pytest.approx(part / energy["energy_uj"])
    by_name = {row["what"]: row for row in cost.rows()}
    less = 100 * (1 - energy["dram_bytes"] / cost.raw.overall()["dram_bytes"])
    assert by_name["all DRAM"]["change"] == f"{abs(less):.1f} % {'less' if less > 0 else 'more'}"


def test_cores_and_clocks_with_and_without_the_code_are_told_apart(answers, monkeypatch):
    monkeypatch.setattr(codec_cost, "slowest_part", lambda parts=(): ("part", 50.0 if parts else 40.0))
    cost, luts = answers.codec, core_luts(ARCH)
    coded, raw = (side.overall()["cycles"] for side in (cost.coded, cost.raw))
    assert cost.seconds == pytest.approx((coded / 40e6, raw / 50e6))
    by_name = {row["what"]: row for row in cost.rows()}
    code = luts["decoder"] + luts["encoder"] + luts["additions"]
    (cells,) = (row for what, row in by_name.items() if what.startswith("LUTs of all cores"))
    assert cells["coded"] == f"{2 * sum(luts.values()):,.0f}"
    assert cells["raw"] == f"{2 * (sum(luts.values()) - code):,.0f}"
    assert by_name["clock of a core's slowest part"]["change"] == "20.0 % less"


def test_the_parts_of_a_core_add_up_to_its_area():
    for arch in (Arch(), ARCH, Arch(cores=1, columns=64)):
        assert area(arch).luts == arch.cores * round(sum(core_luts(arch).values()))


def test_table_page_and_json_answer_where_they_are_asked(hwsim, place, answers, tmp_path):
    code, out, err = hwsim("run", place, "--why", "--format", "json")
    document = json.loads(out)["answers"]
    assert (code, err) == (0, "")
    assert {row["change"] for row in document["limits"]["machines"]} < set(doublings(ARCH))
    assert json.loads(hwsim("run", place, "--json")[1])["answers"] is None
    out = hwsim("run", place, "--why")[1]
    assert all(words in out for words in ("What limits it", "What the code costs", "its share"))
    with open_trace(place) as trace:
        page = report_page(Report.of(trace, simulate(trace, ARCH), answers=answers), [])
    assert all(words in page for words in ("What limits it, and what to change", "maps raw"))
