from __future__ import annotations

from dataclasses import replace

from made_up_entries import entry, simulated

from hwsim.report.text import TIMES
from hwsim.reproduce import paper
from hwsim.reproduce.entry import Compared
from hwsim.reproduce.headline import headline

CONTROL = Compared("control", 10_000, -20, -0.0051, 0.0011, 0.005, True, True)
BASELINE = Compared("baseline", 10_000, 40, 0.0002, 0.0078, 0.005, True, True)


def rows(*entries):
    """The rows below the paper's, by column."""
    table = headline(entries)
    return [dict(zip(table.columns, row, strict=True)) for row in table.rows[len(paper.ROWS) :]]


def test_the_paper_stands_above_all_else_and_has_no_interval():
    table = headline([])
    assert len(table.rows) == len(paper.ROWS)
    assert all("(paper)" in row[0] and f"up to 1.6{TIMES}" in row for row in table.rows)


def test_a_sparse_network_stands_beside_its_control_and_its_baseline_with_intervals():
    sparse = replace(entry("l1", found=simulated()), compared=(CONTROL, BASELINE))
    (row,) = rows(entry(found=replace(simulated(), trace="other")), sparse)
    assert row["against control"] == "-0.20 (-0.51 .. +0.11)"
    assert row["against baseline"] == "+0.40 (+0.02 .. +0.78)"
    assert row["no loss"] == "yes"
    assert row["fewer MACs"] == f"1.00{TIMES}"


def test_no_loss_takes_both_answers_and_cross_entropy():
    base = entry(found=replace(simulated(), trace="other"))
    for change in ({"keeps_answers": False}, {"keeps_loss": False}):
        sparse = replace(entry("l1", found=simulated()), compared=(replace(CONTROL, **change), BASELINE))
        assert rows(base, sparse)[0]["no loss"] == "not shown"


def test_what_was_not_compared_says_so():
    (row,) = rows(entry(found=replace(simulated(), trace="other")), entry("l1", found=simulated()))
    assert {row[name] for name in ("against control", "against baseline", "no loss")} == {"not compared"}


def test_baselines_and_networks_without_one_are_no_sparser_than_themselves():
    assert rows(entry(found=simulated())) == []
    assert rows(entry("l1", found=simulated())) == []
