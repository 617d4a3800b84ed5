"""Properties with a few examples each: a plugin of pytest (``-p few_examples``), and for mutants."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import is_hypothesis_test, settings

FEW = 10  # which most mutants are noticed by, and which reach most lines
SETTINGS = "_hypothesis_internal_use_settings"  # where hypothesis keeps those that a test asks for


def take_examples(items: Sequence[pytest.Item], most: int | None) -> list[pytest.Item]:
    """Let properties have so many examples at most, or all that they ask for; those that have fewer then."""
    fewer = []
    for item in items:
        test: Any = getattr(item, "obj", None)
        if is_hypothesis_test(test):
            asked: settings = vars(test).setdefault("asked", getattr(test, SETTINGS, None) or settings())
            given = asked.max_examples if most is None else min(asked.max_examples, most)
            setattr(test, SETTINGS, settings(asked, max_examples=given))
            fewer += [item] * (given < asked.max_examples)
    return fewer


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Of every property that is collected."""
    take_examples(items, FEW)
