"""What ``hwsim info`` shows of what lies between the maps of a trace."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from hwsim.cli import console

if TYPE_CHECKING:
    from hwsim.between import Flow, Operator
    from hwsim.differences import Difference
    from hwsim.trace import StoredTrace

_SHOWN = 6  # numbers of a long list


def document(flow: Flow | None) -> dict[str, Any] | None:
    """A flow as plain data, the kinds of operators counted."""
    if flow is None:
        return None
    kinds: dict[str, int] = {}
    for operator in flow.operators:
        kinds[operator.kind] = kinds.get(operator.kind, 0) + 1
    return {**asdict(flow), "kinds": kinds}


def show(flow: Flow | None) -> None:
    """The operators, and the maps that integers do not make."""
    from hwsim.report import text
    from hwsim.report.tables import Column

    if flow is None:
        console.say("What lies between the maps is not recorded.")
        return
    console.say("")
    console.say(f"Between the maps, {len(flow.operators)} operators:")
    if flow.operators:
        console.show_table(
            (
                Column("kind", "operator", "", text.label, 9),
                Column("reads", "reads", "", text.label, 7),
                Column("makes", "makes", "", text.label, 8),
                Column("fields", "with", "", text.words, 5),
            ),
            [_row(operator) for operator in flow.operators],
        )
    for name, reason in flow.captured.items():
        console.say(f"captured, not made by integers: {text.label(name)} ({text.words(reason)})")


def found_differences(trace: StoredTrace, images: tuple[int, ...], quiet: bool) -> list[Difference]:
    """Pictures computed in integers, beside a progress bar."""
    from hwsim.differences import differences

    done = 0
    with console.progress("computing in integers", quiet) as advance:

        def step() -> None:
            nonlocal done
            done += 1
            if advance is not None:
                advance(done, len(images))

        return differences(trace, images, step)


def show_differences(rows: Sequence[Difference], pictures: int) -> None:
    """Map by map, how far integers are from what was captured."""
    from hwsim.report.integers import DIFFERENCE_COLUMNS, difference_rows

    console.say("")
    many = "1 picture" if pictures == 1 else f"{pictures} pictures"
    console.say(f"The network in integers against its captured maps, {many}:")
    console.show_table(DIFFERENCE_COLUMNS, difference_rows(rows))


def _row(operator: Operator) -> dict[str, str]:
    fields = {
        name: value for name, value in asdict(operator).items() if name not in ("kind", "inputs", "output")
    }
    return {
        "kind": operator.kind.replace("_", " "),
        "reads": " + ".join(operator.inputs),
        "makes": operator.output,
        "fields": ", ".join(f"{name.replace('_', ' ')} {_short(value)}" for name, value in fields.items()),
    }


def _short(value: Any) -> str:
    if isinstance(value, tuple):
        parts = [_short(part) for part in value[:_SHOWN]] + (["..."] if len(value) > _SHOWN else [])
        return f"({' '.join(parts)})"
    return str(value)
