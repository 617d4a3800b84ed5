"""The machine beside published ones on the same maps: cycles, part of the ideal, uses of multiplier slots."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from hwsim.errors import TraceError
from hwsim.machine.result import Result
from hwsim.machine.totals import ALL_LAYERS, WAITS_FOR_DRAM, Totals, ratio
from hwsim.peers import PeerRow, peer_rows
from hwsim.report import text
from hwsim.report.contents import jsonable, result_document, tool
from hwsim.report.tables import Column, to_csv

if TYPE_CHECKING:
    from hwsim.peers import Peer
    from hwsim.trace import Trace

OWN = "hwsim"
USES = {
    "useful": "multiplies two operands of which none is zero",
    "zeros": "multiplies by zero: a zero activation, a zero weight, or padding",
    "fragmentation": "is empty, since the work does not fill the multipliers",
    "synchronisation": "waits for others: lanes, elements, cores, fill and drain, the decoder, a pool",
    "conflicts": "waits for a bank of accumulators",
    "memory": f"waits for words of the map or weights from DRAM; of {OWN} alone, the others are spared it",
}
_OF_PEERS = tuple(use for use in USES if use != "memory")


@dataclass(frozen=True)
class Slots:
    """Layers on a machine, all images added up.

    Attributes:
        layer, kind, machine: which; :data:`ALL_LAYERS` for several.
        ideal: cycles of a machine of so many multipliers all of which are useful all the time.
        cycles: that the machine takes.
        uses: slots of multipliers, by :data:`USES`; they add up to cycles x multipliers.
    """

    layer: str
    kind: str
    machine: str
    ideal: float
    cycles: int
    uses: dict[str, int]

    @classmethod
    def together(cls, parts: Sequence[Slots], layer: str, kind: str) -> Slots:
        """Several of one machine added up."""
        uses = {use: sum(part.uses[use] for part in parts) for use in USES}
        ideal, cycles = sum(part.ideal for part in parts), sum(part.cycles for part in parts)
        return cls(layer, kind, parts[0].machine, ideal, cycles, uses)

    def row(self, images: int) -> dict[str, Any]:
        """Cycles of an image, and the shares of the slots."""
        whole = sum(self.uses.values())
        return {
            "layer": self.layer,
            "kind": self.kind,
            "machine": self.machine,
            "ideal_cycles": self.ideal / images,
            "cycles": self.cycles / images,
            "of_ideal": ratio(self.ideal, self.cycles),
            **{use: ratio(slots, whole) for use, slots in self.uses.items()},
        }


@dataclass(frozen=True)
class Beside:
    """A result and what published machines of as many multipliers make of the same layers.

    Attributes:
        result: of the simulation, DRAM and loads of weights included.
        machines: the published ones.
        slots: of every layer that they run on every machine, hwsim's last.
        real_weights: whether zero weights of the trace count as zero; dense otherwise.
        left_out: layers that the models of published machines do not run.
    """

    result: Result
    machines: tuple[Peer, ...]
    slots: tuple[Slots, ...]
    real_weights: bool
    left_out: tuple[str, ...]

    @classmethod
    def of(
        cls,
        trace: Trace,
        result: Result,
        machines: Sequence[Peer],
        real_weights: bool = False,
        progress: Callable[[int, int], None] | None = None,
    ) -> Beside:
        """Run the images of a result on published machines.

        Raises:
            TraceError: no layer that they run, or no weights where their zeros are asked for.
        """
        rows = peer_rows(trace, machines, result.images, real_weights, progress)
        if not rows:
            raise TraceError(
                f"{trace.title} has no plain or depthwise convolution, and published machines run no other"
            )
        known: dict[str, list[PeerRow]] = {}
        for row in rows:
            known.setdefault(row.layer, []).append(row)
        slots = []
        for layer, found in known.items():
            for machine in machines:
                slots.append(_published([row for row in found if row.machine == machine.title]))
            useful = sum(row.useful for row in found if row.machine == machines[0].title)
            slots.append(_own(result, layer, useful))
        others = tuple(layer.name for layer in trace.layers if layer.name not in known)
        return cls(result, tuple(machines), tuple(slots), real_weights, others)

    @property
    def words(self) -> str:
        """What every table of it must say."""
        weights = "zero weights of the trace are zeros" if self.real_weights else "weights dense"
        return (
            f"Models from papers, compute only; equal multipliers, not equal storage or area; {weights}. "
            f"The cycles of {OWN} are those of the whole machine, DRAM and loads of weights included."
        )

    @property
    def left_out_words(self) -> str:
        """Which layers are missing, or nothing."""
        if not self.left_out:
            return ""
        names = ", ".join(text.label(name, 24) for name in self.left_out)
        return f"In no row, since the models run convolutions and depthwise layers alone: {names}."

    @property
    def titles(self) -> tuple[str, ...]:
        """Names of the machines, hwsim last."""
        return (*(machine.title for machine in self.machines), OWN)

    def rows(self) -> list[dict[str, Any]]:
        """One row a layer and machine."""
        return [slots.row(len(self.result.images)) for slots in self.slots]

    @cached_property
    def sums(self) -> tuple[Slots, ...]:
        """By kind of layer, and all of them, on each machine."""
        kinds = list(dict.fromkeys(slots.kind for slots in self.slots))
        groups: list[tuple[str, str, tuple[str, ...]]] = [(kind, kind, (kind,)) for kind in kinds]
        if len(kinds) > 1:
            groups.append((ALL_LAYERS, "", tuple(kinds)))
        return tuple(
            Slots.together([s for s in self.slots if s.kind in of and s.machine == title], name, kind)
            for name, kind, of in groups
            for title in self.titles
        )

    def sum_rows(self) -> list[dict[str, Any]]:
        """The rows of :attr:`sums`."""
        return [slots.row(len(self.result.images)) for slots in self.sums]

    def wide_rows(self) -> list[dict[str, Any]]:
        """One row a layer: ideal cycles, and of every machine its cycles and part of the ideal."""
        wide: dict[str, dict[str, Any]] = {}
        for row in self.rows():
            own = wide.setdefault(row["layer"], {key: row[key] for key in ("layer", "kind", "ideal_cycles")})
            own |= {f"{row['machine']} {key}": row[key] for key in ("cycles", "of_ideal")}
        return list(wide.values())

    def to_dict(self) -> dict[str, Any]:
        """The document of ``peers.json``."""
        run = result_document(self.result)
        return jsonable(
            {
                "tool": tool(),
                "meaning": self.words,
                "uses": USES,
                "real_weights": self.real_weights,
                "multipliers": self.result.arch.peak_macs,
                "citations": {machine.title: machine.citation for machine in self.machines},
                "trace": {key: run[key] for key in ("title", "network", "variant", "synthetic", "images")},
                "marks": list(self.result.marks),
                "layers_not_run": list(self.left_out),
                "totals": self.sum_rows(),
                "per_layer": self.rows(),
            }
        )

    def to_csv(self) -> str:
        """One row a layer and machine."""
        flags = {"real_weights": self.real_weights, **self.result.flags}
        return to_csv([{**row, **flags} for row in self.rows()])


SLOT_COLUMNS = (
    Column("layer", "layers", "kind of the layers, or the layer's name", text.label, 9),
    Column("machine", "machine", "models from papers, and hwsim", text.label, 9),
    Column("cycles", "cycles", "of an image", text.whole, 8),
    Column(
        "of_ideal",
        "of ideal",
        "cycles of a machine whose multipliers are all useful all the time / cycles",
        text.percent,
        8,
    ),
    *(
        Column(use, use, f"part of the time in which a multiplier {meaning}", text.percent, 4)
        for use, meaning in USES.items()
        if use != "useful"  # is the part of the ideal
    ),
)


def wide_columns(titles: Iterable[str]) -> tuple[Column, ...]:
    """Columns of :meth:`Beside.wide_rows`."""
    return (
        Column("layer", "layer", "name in the trace", text.label, 9),
        Column("kind", "kind", "conv or depthwise", text.label, 1),
        Column("ideal_cycles", "ideal", "useful MACs / multipliers: the fewest cycles", text.whole, 3),
        *(
            Column(f"{title} {key}", f"{title}{words}", meaning, show, need + 2 * (title == OWN))
            for title in titles
            for key, words, meaning, show, need in (
                ("cycles", "", "cycles of an image", text.whole, 4),
                ("of_ideal", ": of ideal", "ideal cycles / cycles", text.percent, 5),
            )
        ),
    )


def _published(rows: Sequence[PeerRow]) -> Slots:
    """All images of a layer on a published machine."""
    uses = {use: sum(getattr(row.run, use) for row in rows) for use in _OF_PEERS}
    first = rows[0]
    cycles = sum(row.run.cycles for row in rows)
    return Slots(
        first.layer, first.kind, first.machine, sum(row.ideal for row in rows), cycles, {**uses, "memory": 0}
    )


def _own(result: Result, layer: str, useful: int) -> Slots:
    """All images of a layer on the machine itself."""
    account = result.accounts[layer]
    found: Totals = account.skipping
    columns, causes = account.arch.columns, found.causes
    memory = sum(causes[cause] for cause in WAITS_FOR_DRAM)
    uses = {
        "useful": useful,
        "zeros": found.performed_macs - useful,
        "fragmentation": causes["compute"] * columns - found.performed_macs,
        "synchronisation": (found.core_cycles - causes["compute"] - memory) * columns,
        "conflicts": 0,
        "memory": memory * columns,
    }
    return Slots(layer, account.kind, OWN, useful / account.arch.peak_macs, found.cycles, uses)
