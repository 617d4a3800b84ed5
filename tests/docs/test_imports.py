"""Imports go one way, as docs/extending.md says."""

import re
from pathlib import Path

import pytest
from docs_scripts import load

ROOT = Path(__file__).parents[2]


def order_of_the_page() -> list[list[str]]:
    """Groups of parts, the highest first, from the page's first paragraph."""
    sentence = (ROOT / "docs" / "extending.md").read_text().split("Imports go one way: ")[1].split(". ")[0]
    return [re.findall(r"`(\w+)`", group) for group in sentence.split("->")]


def test_no_part_imports_one_that_stands_above_it():
    found = load("imports").imports()
    groups = order_of_the_page()
    rank = {name: place for place, group in enumerate(groups) for name in group}
    assert len(rank) > 15
    assert rank.keys() <= found.keys()
    upwards = [
        (name, other) for name in rank for other in found[name] & rank.keys() if rank[other] < rank[name]
    ]
    assert upwards == []


def test_the_model_does_not_know_the_rtl_and_the_rtl_knows_its_descriptors_alone():
    found = load("imports").imports()
    assert [name for name in found if "hwsim_rtl" in found[name]] == ["verify"]
    rtl = "".join(file.read_text() for file in (ROOT / "rtl" / "hwsim_rtl").rglob("*.py"))
    named = set(re.findall(r"^from hwsim\.([\w.]+) import", rtl, re.MULTILINE))
    described = {"machine.descriptors", "machine.programs", "program.image", "driver.describe"}
    assert {name for name in named if "." in name} - described == {"codec.checks", "codec.segments"}
    assert described < named


def test_a_circle_is_found_and_what_follows_is_not_drawn():
    script = load("imports")
    chain: dict[str, set[str]] = {"low": set(), "middle": {"low"}, "high": {"middle", "low"}}
    assert script.levels(chain) == {"low": 0, "middle": 1, "high": 2}
    assert list(script.drawn(chain)) == [("middle", "low"), ("high", "middle")]
    with pytest.raises(ValueError, match=r"circle of imports among \['high', 'low', 'middle'\]"):
        script.levels(chain | {"low": {"high"}})
