"""How heavy the L1 norms may be: a search that never accepts a fall of validation accuracy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from hwsim.sparsify.maps import PICTURE, Map
from hwsim.sparsify.stages import Stage, Stages
from hwsim.sparsify.training import Schedule, Score

SMALLEST_FACTOR = 1.1
MOST_PLAIN = 3  # stages without an L1 term, that see whether the baseline gains by mere training


@dataclass(frozen=True)
class Trial:
    """One step of the search.

    Attributes:
        alpha: weight of the whole term.
        weights: alpha_l of every map.
        stage: what was trained.
        kept: whether the search went on from it.
    """

    alpha: float
    weights: dict[str, float]
    stage: Stage
    kept: bool


def shares(maps: Sequence[Map]) -> dict[str, float]:
    """What every map counts for: the mean of its share of the MACs and of its share of the elements."""
    macs, elements = sum(one.macs for one in maps), sum(one.elements for one in maps)
    return {one.name: (one.macs / macs + one.elements / elements) / 2 for one in maps}


def cost(density: Mapping[str, float], maps: Sequence[Map]) -> float:
    """What the search lowers: density, weighted by the :func:`shares` of the maps; 1 if all are full."""
    return sum(share * density[name] for name, share in shares(maps).items())


def weights_of(alpha: float, score: Score, maps: Sequence[Map]) -> dict[str, float]:
    """alpha_l of every map, such that the term is alpha times the :func:`cost` for the network of the score.

    A map's L1 norm is divided by what it would be if all its elements had their mean non-zero magnitude.
    """
    elements = {one.name: one.elements for one in maps}
    return {
        name: alpha * share / (elements[name] * score.magnitude[name])
        for name, share in shares(maps).items()
        if name != PICTURE and score.magnitude[name] > 0
    }


def plain_training(stages: Stages, baseline: Stage, schedule: Schedule) -> list[Stage]:
    """Train on without an L1 term for as long as that raises validation accuracy.

    What training alone gives is the baseline's, so that it is not put down to sparsity.

    Returns:
        The stages, ``baseline`` first; all but the last were better than the one before. The last was not,
        unless there are :data:`MOST_PLAIN` stages behind the baseline.
    """
    done = [baseline]
    for number in range(1, MOST_PLAIN + 1):
        seeded = replace(schedule, seed=schedule.seed + number)
        done.append(stages.run(f"plain-{number}", done[-1].network, seeded))
        if done[-1].score.correct <= done[-2].score.correct:
            break
    return done


def search_alpha(
    stages: Stages, baseline: Stage, schedule: Schedule, trials: int, factor: float = 2.0
) -> list[Trial]:
    """Fine-tune with ever heavier L1 norms, from the best network so far.

    The first alpha is the baseline's cross-entropy, so that the term starts at the cost's part of it. A trial
    is kept if no fewer validation answers are right than the baseline gives and the cost is lower than
    before. As long as validation holds, alpha is multiplied by ``factor``. If it falls, the factor becomes
    its square root (1 when that is small) and alpha is that much above the last that held; before any did,
    alpha is divided by ``factor`` squared.

    Args:
        stages: where the trials run.
        baseline: where the search starts, and what validation accuracy must not fall below.
        schedule: of one trial; every trial has its own seed.
        trials: so many.
        factor: by which alpha rises at first.
    """
    done: list[Trial] = []
    best, held, alpha = baseline, None, baseline.score.loss
    for number in range(1, trials + 1):
        weights = weights_of(alpha, best.score, stages.maps)
        seeded = replace(schedule, seed=schedule.seed + MOST_PLAIN + number)
        stage = stages.run(f"l1-{number}", best.network, seeded, weights)
        kept = accepted(stage.score, best.score, baseline.score, stages.maps)
        done.append(Trial(alpha, weights, stage, kept))
        best = stage if kept else best
        if stage.score.correct >= baseline.score.correct:
            held = alpha
            alpha *= factor
        elif held is None:
            alpha /= factor**2
        else:
            factor = factor**0.5 if factor**0.5 >= SMALLEST_FACTOR else 1.0
            alpha = held * factor
    return done


def fixed_alpha(stages: Stages, baseline: Stage, schedule: Schedule, alpha: float) -> Trial:
    """One fine-tuning at an alpha that was asked for, kept whatever comes out."""
    weights = weights_of(alpha, baseline.score, stages.maps)
    seeded = replace(schedule, seed=schedule.seed + MOST_PLAIN + 1)
    return Trial(alpha, weights, stages.run("l1-1", baseline.network, seeded, weights), True)


def accepted(found: Score, best: Score, floor: Score, maps: Sequence[Map]) -> bool:
    """Whether a network is sparser than the best so far and no worse than the floor."""
    return found.correct >= floor.correct and cost(found.density, maps) < cost(best.density, maps)
