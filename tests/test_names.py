"""One word for one idea: a reader who meets a class's name knows which one it is."""

import ast
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = (ROOT / "hwsim", ROOT / "rtl" / "hwsim_rtl")


def class_names(source: str) -> list[str]:
    """Public classes of a module, those within other classes and functions among them."""
    classes = (node.name for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ClassDef))
    return [name for name in classes if not name.startswith("_")]


def doubles(sources: dict[str, str]) -> dict[str, list[str]]:
    """Names of classes that several modules have, with the modules."""
    places = defaultdict(list)
    for place, source in sources.items():
        for name in class_names(source):
            places[name].append(place)
    return {name: found for name, found in places.items() if len(found) > 1}


def test_no_two_public_classes_have_one_name():
    files = [file for package in PACKAGES for file in package.rglob("*.py")]
    assert len(files) > 200
    assert doubles({str(file.relative_to(ROOT)): file.read_text(encoding="utf-8") for file in files}) == {}


@pytest.mark.parametrize(
    ("second", "found"),
    [
        ("class Schedule: ...", {"Schedule": ["one", "two"]}),
        ("class Outer:\n    class Schedule: ...", {"Schedule": ["one", "two"]}),
        ("def make():\n    class Schedule: ...", {"Schedule": ["one", "two"]}),
        ("class TrainingSchedule: ...", {}),
        ("class _Schedule: ...", {}),
    ],
)
def test_a_double_is_found_wherever_it_stands(second, found):
    assert doubles({"one": "class Schedule: ...\nclass _Schedule: ...", "two": second}) == found
