"""What a report tells: a result, the trace's own measurements, and its maps under every coder."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import hwsim
from hwsim.codec import labels
from hwsim.machine.result import Result
from hwsim.report import codecs
from hwsim.report.in_time import in_time
from hwsim.report.integers import difference_rows
from hwsim.report.measured import measured_document, measured_rows, measured_total
from hwsim.report.waterfall import waterfall_rows

if TYPE_CHECKING:
    from hwsim.differences import Difference
    from hwsim.measure.record import Measured
    from hwsim.report.diagnosis import Diagnosis
    from hwsim.report.timeline import Timeline
    from hwsim.trace import Trace


@dataclass(frozen=True)
class Report:
    """Everything that the files of a report are made from.

    Attributes:
        result: of the simulation.
        maps: compression of the maps by every coder.
        metrics: of the trace, for example ``accuracy``.
        measured: the same trace on real processors, at most one record a device.
        timeline: of one layer, for a plot of its own.
        differences: of the network in integers from its captured maps; empty if it was not computed.
        answers: what limits the machine and what its code costs, if that was asked for.
    """

    result: Result
    maps: tuple[codecs.CodedMap, ...]
    metrics: dict[str, Any] = field(default_factory=dict)
    measured: tuple[Measured, ...] = ()
    timeline: Timeline | None = None
    differences: tuple[Difference, ...] = ()
    answers: Diagnosis | None = None

    @classmethod
    def of(
        cls,
        trace: Trace,
        result: Result,
        progress: Callable[[int, int], None] | None = None,
        measured: Sequence[Measured] = (),
        timeline: Timeline | None = None,
        differences: Sequence[Difference] = (),
        answers: Diagnosis | None = None,
    ) -> Report:
        """Measure what the result does not hold; see :func:`hwsim.report.codecs.measure`."""
        return cls(
            result,
            codecs.measure(trace, result, progress),
            dict(trace.metrics),
            tuple(measured),
            timeline,
            tuple(differences),
            answers,
        )

    @cached_property
    def measured_rows(self) -> list[dict[str, Any]]:
        """MAC ratio, simulated and measured speedups, one row a layer; empty if nothing was measured.

        Raises:
            MeasureError: the measurements are of another trace, or two are of one device.
        """
        return measured_rows(self.result, self.measured)

    def to_dict(self) -> dict[str, Any]:
        """The document of ``report.json``: the result, one row a layer, the coders, the tool."""
        return {
            **result_document(self.result),
            "waterfall": self._waterfall(),
            "metrics": jsonable(self.metrics),
            "compression": _compression(self.maps, len(self.result.images)),
            "measured": jsonable(self._measured()),
            "differences": jsonable(difference_rows(self.differences)),
            "in_time": jsonable(in_time(self.result)),
            "answers": jsonable(self.answers.to_dict()) if self.answers else None,
        }

    def _waterfall(self) -> dict[str, Any]:
        total, layers = waterfall_rows(self.result)
        return {"total": total, "per_layer": layers}

    def _measured(self) -> dict[str, Any] | None:
        if not self.measured:
            return None
        total = measured_total(self.measured_rows, self.result.overall())
        return measured_document(self.measured_rows, total, self.measured)


def result_document(result: Result) -> dict[str, Any]:
    """A result as JSON-able data, with the tool that made it."""
    return jsonable({"tool": tool(), **result.to_dict()})


def tool() -> dict[str, str]:
    """Which program, in which version."""
    return {"name": "hwsim", "version": hwsim.__version__}


def to_json(document: Any) -> str:
    """JSON as the files and ``--json`` have it."""
    return json.dumps(document, indent=1, allow_nan=False) + "\n"


def jsonable(value: Any) -> Any:
    """Plain JSON data: infinities become null, and what JSON does not know becomes text."""
    if isinstance(value, dict):
        return {str(key): jsonable(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [jsonable(entry) for entry in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, str | int) else str(value)


def _compression(maps: tuple[codecs.CodedMap, ...], images: int) -> dict[str, Any]:
    totals = codecs.total_bits(maps)
    return {
        "base": codecs.base(maps),
        "coders": {
            coder: jsonable(
                {
                    "label": labels.label(coder),
                    "meaning": labels.meaning(coder),
                    "bytes_per_image": bits / 8 / images,
                    "ratio": codecs.ratio(totals, coder),
                }
            )
            for coder, bits in totals.items()
        },
        "maps": [
            {
                "map": map_.name,
                "shape": list(map_.shape),
                "bits": map_.bits,
                "order": map_.order,
                "coded_bits": map_.coded_bits,
                "ratio": {coder: jsonable(map_.ratio(coder)) for coder in map_.coded_bits},
            }
            for map_ in maps
        ],
    }
