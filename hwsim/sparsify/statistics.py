"""Paired tests: two networks that answered the same pictures.

Both networks see the same pictures, so what counts is the pictures on which they differ (McNemar, *Note on
the sampling error of the difference between correlated proportions or percentages*, Psychometrika 1947). "No
loss" is a claim that data can fail to carry: it is made as non-inferiority (see Liu et al., *Tests for
equivalence or non-inferiority for paired binary data*, Statistics in Medicine 2002), never by a difference
that is not significant.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np
from scipy.stats import binomtest

ONE_SIDED = 1.64  # standard errors that 95 % of a normal distribution are below
TWO_SIDED = 1.96  # standard errors that 95 % of it are within
DELTA = 0.005  # share of the pictures: a loss that would not matter


@dataclass(frozen=True)
class Paired:
    """What sets one network apart from another, its reference, on the same pictures.

    Attributes:
        pictures: how many there are.
        gained: pictures that this network alone answers right.
        lost: pictures that the reference alone answers right.
        loss_difference: mean cross-entropy of this network minus the reference's, in nats.
        loss_error: standard error of that mean.
    """

    pictures: int
    gained: int
    lost: int
    loss_difference: float
    loss_error: float

    @property
    def difference(self) -> int:
        """Right answers more than the reference has."""
        return self.gained - self.lost

    @property
    def discordant(self) -> int:
        """Pictures that one of the two answers right and the other does not."""
        return self.gained + self.lost

    @property
    def bound(self) -> float:
        """The difference is above it, 95 % sure: difference - 1.64 sqrt(discordant), in answers."""
        return self.difference - ONE_SIDED * sqrt(self.discordant)

    @property
    def interval(self) -> tuple[float, float]:
        """Of the difference of the two accuracies, 95 %, with McNemar's standard error of paired shares."""
        share = self.difference / self.pictures
        error = sqrt(self.discordant / self.pictures - share**2) / sqrt(self.pictures)
        return share - TWO_SIDED * error, share + TWO_SIDED * error

    @property
    def p_value(self) -> float:
        """McNemar's exact test, two-sided: how likely so uneven a split is if both networks are as good."""
        return float(binomtest(self.gained, self.discordant).pvalue) if self.discordant else 1.0

    def keeps_answers(self, delta: float = DELTA) -> bool:
        """Whether the network is non-inferior: at most ``delta`` of the pictures are lost, 95 % sure."""
        return self.bound >= -delta * self.pictures

    @property
    def keeps_loss(self) -> bool:
        """Whether the cross-entropy is not significantly worse, one-sided at 5 %."""
        return self.loss_difference <= ONE_SIDED * self.loss_error

    def no_loss(self, delta: float = DELTA) -> bool:
        """Whether "no loss" may be said: both answers and cross-entropy are kept."""
        return self.keeps_answers(delta) and self.keeps_loss


def paired(
    right: np.ndarray, losses: np.ndarray, reference_right: np.ndarray, reference_losses: np.ndarray
) -> Paired:
    """Compare a network with a reference.

    Args:
        right, reference_right: bool (N,), whether each picture is answered right.
        losses, reference_losses: float (N,), cross-entropy of each picture, in nats. N is 2 or more.

    Raises:
        ValueError: the arrays are not of one length.
    """
    if len({len(one) for one in (right, losses, reference_right, reference_losses)}) > 1:
        raise ValueError("networks are compared on the same pictures: the arrays differ in length")
    difference = losses.astype(np.float64) - reference_losses.astype(np.float64)
    return Paired(
        pictures=len(right),
        gained=int((right & ~reference_right).sum()),
        lost=int((reference_right & ~right).sum()),
        loss_difference=float(difference.mean()),
        loss_error=float(difference.std(ddof=1) / sqrt(len(difference))),
    )
