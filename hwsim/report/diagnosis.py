"""Questions that take more than one run to answer: what limits the machine, and what its code costs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hwsim.report.codec_cost import CodecCost
from hwsim.report.limits import Limits

if TYPE_CHECKING:
    from hwsim.machine.result import Result
    from hwsim.trace import Trace


@dataclass(frozen=True)
class Diagnosis:
    """Of one result."""

    limits: Limits
    codec: CodecCost

    @classmethod
    def of(
        cls, trace: Trace, result: Result, progress: Callable[[int, int], None] | None = None
    ) -> Diagnosis:
        """Run the machines that answer; ``progress`` is called with (machines done, machines in all)."""
        return cls(Limits.of(trace, result, progress), CodecCost.of(trace, result))

    def to_dict(self) -> dict[str, Any]:
        """As ``report.json`` has it."""
        return {
            "limits": {"per_layer": self.limits.rows(), "machines": self.limits.machine_rows()},
            "codec": self.codec.to_dict(),
        }
