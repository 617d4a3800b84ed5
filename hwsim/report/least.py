"""The least change of one parameter that lifts the limit of a layer: found by running machines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hwsim.arch import Arch
from hwsim.machine.area import area
from hwsim.machine.result import Result
from hwsim.report.changes import PARAMETERS, Changed, Parameter, Ran

TIMES = (2, 4, 8)  # as large or as small as a parameter is tried to be
Lifts = Callable[[str, Ran], bool]
Bracket = tuple[Parameter, int, int]  # a value that does not lift the limit, and one that does


@dataclass(frozen=True)
class Least:
    """A change that lifts a limit, where one step less does not.

    Attributes:
        parameter: what changes.
        before, value: from what to what.
        result: of the machine with it.
    """

    parameter: Parameter
    before: int
    value: int
    result: Result

    @property
    def words(self) -> str:
        """The change in words."""
        known = self.parameter
        unit = "" if known.unit == known.name else f" {known.unit}"
        return f"{known.name} {self.before:,} to {self.value:,}{unit}"


def least_changes(changed: Changed, arch: Arch, layers: Sequence[str], lifts: Lifts) -> dict[str, Least]:
    """By layer, the least change that lifts its limit; a layer whose limit none lifts is not there.

    Every parameter is doubled (or halved) until one lifts the limit of the layer, of several the one of the
    fewest LUTs; its value is then found by bisection. All layers search at once, so that a machine which
    several ask for is run once.

    Args:
        changed: runs the machines.
        arch: the machine as it is.
        layers: that a stall limits.
        lifts: whether a layer is one of them no longer.
    """
    brackets = _brackets(changed, arch, layers, lifts)
    while middles := {
        layer: (known, bad + (good - bad) // known.step // 2 * known.step)
        for layer, (known, bad, good) in brackets.items()
        if abs(good - bad) >= 2 * known.step
    }:
        found = changed.run({known.field: value} for known, value in middles.values())
        for (layer, (known, value)), ran in zip(middles.items(), found, strict=True):
            _, bad, good = brackets[layer]
            lifted = ran is not None and lifts(layer, ran)
            brackets[layer] = (known, bad, value) if lifted else (known, value, good)
    found = changed.run({known.field: good} for known, _, good in brackets.values())
    return {
        layer: Least(known, getattr(arch, known.field), good, ran.result)
        for (layer, (known, _, good)), ran in zip(brackets.items(), found, strict=True)
        if ran is not None
    }


def _brackets(changed: Changed, arch: Arch, layers: Sequence[str], lifts: Lifts) -> dict[str, Bracket]:
    """By layer, the parameter that lifts its limit, and two values between which it begins to."""
    brackets: dict[str, Bracket] = {}
    before = dict.fromkeys(PARAMETERS, changed.as_it_is)
    for times in TIMES:
        values = {known: known.changed(arch, times) for known in before}
        found = changed.run({known.field: value} for known, value in values.items())
        after = {known: ran for known, ran in zip(values, found, strict=True) if ran is not None}
        for layer in layers:
            lifting = [known for known, ran in after.items() if layer not in brackets and lifts(layer, ran)]
            if lifting:
                known = min(lifting, key=lambda known: area(after[known].result.arch).luts)
                brackets[layer] = (known, known.changed(arch, times // 2), values[known])
        waiting = [layer for layer in layers if layer not in brackets]
        # What the last doubling did not change, the next one will not.
        before = {
            known: ran
            for known, ran in after.items()
            if any(ran.layers[layer] != before[known].layers[layer] for layer in waiting)
        }
    return brackets
