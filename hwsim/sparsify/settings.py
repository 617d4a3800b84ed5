"""What a run of ``hwsim sparsify`` is to do."""

from __future__ import annotations

from dataclasses import dataclass

from hwsim.errors import HwsimError
from hwsim.sparsify.schedule import TrainingSchedule
from hwsim.sparsify.statistics import DELTA

METHODS = ("l1", "fatrelu", "both")

MOST_EPOCHS, MOST_SEEDS, MOST = 100_000, 10**9, 1000  # far beyond what anybody trains


@dataclass(frozen=True)
class Settings:
    """What a run does; two runs of the same settings on the same data give the same networks.

    Attributes:
        network: as :func:`hwsim.sparsify.networks.make_network` takes it.
        width: factor on the filters.
        method: ``l1``, ``fatrelu`` (thresholds alone, no training), or ``both`` (thresholds behind L1).
        alphas: weights of the L1 term. One is trained and kept; of several, each is a trial, and the final
            run's is read off the curve through them; none: three around the baseline's cross-entropy.
        epochs: of the baseline's training.
        tune_epochs: of every fine-tuning, the control's too.
        rate: highest learning rate of the baseline's training.
        tune_rate: of every fine-tuning.
        delta: share of the pictures whose loss would not matter.
        seed: of everything that is random.
        bfloat16: train in bfloat16 (automatic mixed precision). A run may be gone on with in the other
            precision: its history says which epochs had which.
    """

    network: str
    width: float = 1.0
    method: str = "both"
    alphas: tuple[float, ...] = ()
    epochs: int = 50
    tune_epochs: int = 20
    rate: float = 0.1
    tune_rate: float = 0.02
    delta: float = DELTA
    seed: int = 0
    bfloat16: bool = False

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise HwsimError(f"method {self.method!r}: give {', '.join(METHODS)}")
        if not 1 <= min(self.epochs, self.tune_epochs) <= max(self.epochs, self.tune_epochs) <= MOST_EPOCHS:
            raise HwsimError(f"epochs are 1 .. {MOST_EPOCHS}")
        if not 0 <= self.seed <= MOST_SEEDS:
            raise HwsimError(f"the seed is 0 .. {MOST_SEEDS}")
        for factor in (self.rate, self.tune_rate, self.width, self.delta, *self.alphas):
            if not 0 < factor <= MOST:  # a NaN is neither
                raise HwsimError(f"learning rates, alphas, delta and width are above 0, {MOST} at most")

    def training(self) -> TrainingSchedule:
        """Of the baseline."""
        return TrainingSchedule(self.epochs, self.rate, seed=1000 * self.seed, bfloat16=self.bfloat16)

    def tuning(self) -> TrainingSchedule:
        """Of the control and of every trial."""
        return TrainingSchedule(
            self.tune_epochs, self.tune_rate, seed=1000 * self.seed + 1, bfloat16=self.bfloat16
        )
