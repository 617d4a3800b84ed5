"""How long and how fast a network is trained."""

from __future__ import annotations

from dataclasses import dataclass

WARM_UP = 0.2  # of all steps: the rate rises, then falls to zero


@dataclass(frozen=True)
class TrainingSchedule:
    """How long and how fast to train: SGD with Nesterov momentum, one rise and fall of the rate.

    Attributes:
        epochs: 1 or more.
        rate: the highest learning rate.
        decay: weight decay.
        batch: pictures in a step.
        seed: of the order of the pictures, their shifts and mirrors.
        bfloat16: run forward and backward in bfloat16 (automatic mixed precision).
    """

    epochs: int
    rate: float = 0.1
    decay: float = 5e-4
    batch: int = 128
    seed: int = 0
    bfloat16: bool = False

    def rate_at(self, step: int, steps: int) -> float:
        """The learning rate of a step of 0 .. steps - 1."""
        done = (step + 1) / steps
        return self.rate * min(done / WARM_UP, (1 - step / steps) / (1 - WARM_UP))
