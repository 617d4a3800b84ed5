"""Pareto-guided search: NSGA-II (Deb et al., 2002) of Optuna proposes, the sweep answers."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from hwsim.errors import SweepError
from hwsim.sweep.evaluate import Row
from hwsim.sweep.space import Range, Space, Value


def generations(space: Space) -> Generator[list[dict[str, Value]], list[Row], None]:
    """Yields a generation of points, is sent their rows, and ends with an empty generation.

    The same rows lead to the same points, so an interrupted search is taken up by sending what it was sent.
    Rows that are not feasible count as dominated by all.

    Raises:
        SweepError: Optuna is not installed.
    """
    try:
        import optuna
    except ImportError:
        raise SweepError("method pareto needs Optuna: pip install 'hwsim[dse]'") from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    search = space.search
    sampler = optuna.samplers.NSGAIISampler(population_size=search.population, seed=search.seed)
    study = optuna.create_study(directions=["minimize"] * len(search.objectives), sampler=sampler)
    left = search.points or 0
    while left > 0:
        trials = [study.ask() for _ in range(min(search.population, left))]
        points = [{name: _suggest(trial, space, name) for name in space.space} for trial in trials]
        rows = yield points
        left -= len(points)
        answers = _objectives(rows, search.objectives)
        first = min(answers)
        for number, trial in enumerate(trials, first):
            values = answers[number]
            if values is None:
                study.tell(trial, state=optuna.trial.TrialState.FAIL)
            else:
                study.tell(trial, values)
    yield []


def _suggest(trial: Any, space: Space, name: str) -> Value:
    choices = space.choices(name)
    if choices is not None:
        return choices[trial.suggest_int(name, 0, len(choices) - 1)]
    swept = space.space[name]
    assert isinstance(swept, Range)
    return space.pick(name, trial.suggest_float(name, 0.0, 1.0))


def _objectives(rows: list[Row], names: tuple[str, ...]) -> dict[int, list[float] | None]:
    """Of every point, the sums over its traces; None if it is not feasible on one of them."""
    answers: dict[int, list[float] | None] = {}
    for row in rows:
        if not row["feasible"] or any(row[name] is None for name in names):
            answers[row["point"]] = None
            continue
        values = answers.setdefault(row["point"], [0.0] * len(names))
        if values is not None:
            answers[row["point"]] = [sum_ + row[name] for sum_, name in zip(values, names, strict=True)]
    return answers
