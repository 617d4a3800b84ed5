"""Two results side by side: two traces, or one trace on two machines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any, get_type_hints

from hwsim.codec import labels
from hwsim.machine.numbers import Numbers
from hwsim.machine.result import Result
from hwsim.machine.totals import ratio
from hwsim.report import text
from hwsim.report.codecs import CodedMap, total_bits
from hwsim.report.codecs import ratio as coded_ratio
from hwsim.report.contents import jsonable, result_document, tool
from hwsim.report.halves import half_rows
from hwsim.report.tables import Column, to_csv
from hwsim.report.traffic import traffic_rows

_MEASURES = (*get_type_hints(Numbers), "largest_stall", "largest_stall_share", "beyond")
_RATIOS = {"cycles": "speedup_b_over_a", "dram_bytes": "dram_a_over_b", "energy_uj": "energy_a_over_b"}


@dataclass(frozen=True)
class Comparison:
    """B against A.

    Attributes:
        a, b: the results.
        metrics_a, metrics_b: of their traces, for example ``accuracy``.
        machine_a, machine_b: what the machines are called, if they are told apart by a name.
        halves_a, halves_b: of each, the machine with its two flags on and off
            (:func:`hwsim.machine.simulation.halves`); nothing if not simulated.
        maps_a, maps_b: of each, the maps under every coder (:func:`hwsim.report.codecs.measure`); nothing if
            not measured.
    """

    a: Result
    b: Result
    metrics_a: dict[str, Any] = field(default_factory=dict)
    metrics_b: dict[str, Any] = field(default_factory=dict)
    machine_a: str = ""
    machine_b: str = ""
    halves_a: tuple[Result, ...] = ()
    halves_b: tuple[Result, ...] = ()
    maps_a: tuple[CodedMap, ...] = ()
    maps_b: tuple[CodedMap, ...] = ()

    @property
    def names(self) -> tuple[str, str]:
        """What tells the two apart: their variants, networks, machines or files; else A and B."""
        pairs = (
            (self.a.variant, self.b.variant),
            (self.a.network, self.b.network),
            (self.machine_a, self.machine_b),
            (_stem(self.a.title), _stem(self.b.title)),
        )
        for one, other in pairs:
            if one and other and one != other:
                return text.label(one, 24), text.label(other, 24)
        return "A", "B"

    @property
    def synthetic(self) -> bool:
        """Whether any of the two is made up."""
        return self.a.synthetic or self.b.synthetic

    @property
    def marks(self) -> tuple[str, ...]:
        """Marks of either side, with its name where only one has them; and what forbids a comparison."""
        a, b = self.a.marks, self.b.marks
        both = zip(self.names, (a, b), strict=True)
        found = a if a == b else tuple(f"{name}: {mark}" for name, side in both for mark in side)
        if self.a.chain == self.b.chain:
            return found
        charged = self.names[self.b.chain]
        return (*found, f"Do not compare cycles: pools and the like take time in {charged} alone.")

    @property
    def flags(self) -> dict[str, Any]:
        """Whether any of the two is made up, and how many layers one lacks at most."""
        return {"synthetic": self.synthetic, "left_out": max(len(self.a.left_out), len(self.b.left_out))}

    def rows(self) -> list[dict[str, Any]]:
        """One row for each layer that both have, in A's order: counts of an image, and B over A."""
        others = {row["layer"]: row for row in self.b.per_layer()}
        return [_pair(row, others[row["layer"]]) for row in self.a.per_layer() if row["layer"] in others]

    def total(self) -> dict[str, Any]:
        """The row of all layers; each side's own layers are all in it."""
        return _pair(self.a.overall(), self.b.overall())

    def halves(self) -> list[dict[str, Any]]:
        """Rows of :data:`hwsim.report.halves.HALVES_COLUMNS`: what each flag wins, on each side."""
        sides = zip(self.names, (self.halves_a, self.halves_b), strict=True)
        return [row for name, results in sides for row in half_rows(results, name)]

    def traffic(self) -> list[dict[str, str]]:
        """Rows of :data:`hwsim.report.traffic.TRAFFIC_COLUMNS`: each side's baseline, machine and saving."""
        sides = zip(self.names, (self.a, self.b), strict=True)
        return [row for name, result in sides for row in traffic_rows(result.overall(), name)]

    def coders(self) -> list[dict[str, Any]]:
        """One row a coder: bytes of an image, every map once, and times smaller than raw words."""
        if not (self.maps_a and self.maps_b):
            return []
        sides = {"a": (self.a, total_bits(self.maps_a)), "b": (self.b, total_bits(self.maps_b))}
        rows = []
        for coder in sides["a"][1]:
            row: dict[str, Any] = {"coder": labels.label(coder), "meaning": labels.meaning(coder)}
            for side, (result, bits) in sides.items():
                row[f"bytes_{side}"] = bits[coder] / 8 / len(result.images)
                row[f"ratio_{side}"] = coded_ratio(bits, coder)
            rows.append(row | {"b_over_a": ratio(row["bytes_b"], row["bytes_a"])})
        return rows

    def unmatched(self) -> list[str]:
        """Layers that only one of the two has."""
        a, b = self.a.accounts, self.b.accounts
        return [*(name for name in a if name not in b), *(name for name in b if name not in a)]

    def to_dict(self) -> dict[str, Any]:
        """The document of ``compare.json``."""
        return jsonable(
            {
                "tool": tool(),
                **self.flags,
                "names": {"a": self.names[0], "b": self.names[1]},
                "totals": self.total(),
                "per_layer": self.rows(),
                "unmatched_layers": self.unmatched(),
                "halves": {"a": half_rows(self.halves_a), "b": half_rows(self.halves_b)},
                "coders": self.coders(),
                "a": {**_without_runs(self.a), "metrics": self.metrics_a},
                "b": {**_without_runs(self.b), "metrics": self.metrics_b},
            }
        )

    def halves_csv(self) -> str:
        """One row a side and machine of its halves."""
        sides = {"a": self.halves_a, "b": self.halves_b}
        return to_csv(
            [
                {"side": side, **row, **self.flags}
                for side, results in sides.items()
                for row in half_rows(results)
            ]
        )

    def to_csv(self) -> str:
        """One row a layer and one of all of them."""
        rows = [*self.rows(), self.total()]
        return to_csv([{**row, **self.flags} for row in rows])


def compare_columns(names: tuple[str, str]) -> tuple[Column, ...]:
    """Columns of the table of :meth:`Comparison.rows`."""
    a, b = names
    return (
        Column("layer", "layer", "name in both traces", text.label, 9),
        Column("density_a", f"density {a}", "part of the input map that is not zero", text.percent, 4),
        Column("density_b", f"density {b}", "part of the input map that is not zero", text.percent, 4),
        Column("cycles_a", f"cycles {a}", "of an image", text.whole, 6),
        Column("cycles_b", f"cycles {b}", "of an image", text.whole, 6),
        Column("speedup_a", f"speedup {a}", "over its own dense baseline", text.factor, 5),
        Column("speedup_b", f"speedup {b}", "over its own dense baseline", text.factor, 5),
        Column(
            "mac_ratio_a", f"MAC ratio {a}", "valid MACs / MACs with a non-zero activation", text.factor, 4
        ),
        Column(
            "mac_ratio_b", f"MAC ratio {b}", "valid MACs / MACs with a non-zero activation", text.factor, 4
        ),
        Column("speedup_b_over_a", f"{b} over {a}", f"cycles of {a} / cycles of {b}", text.factor, 8),
        *(
            Column(f"{key}_{side}", f"{what} {name}", meaning, text.size, need)
            for key, what, meaning, need in (
                ("dram_bytes", "DRAM", "bytes of an image", 3),
                ("dram_maps", "maps", "bytes of maps over DRAM, in and out, an image", 2),
            )
            for side, name in (("a", a), ("b", b))
        ),
        Column("energy_uj_a", f"energy {a}", "of an image", text.energy, 2),
        Column("energy_uj_b", f"energy {b}", "of an image", text.energy, 2),
        *(
            column
            for side, name in (("a", a), ("b", b))
            for column in (
                Column(
                    f"largest_stall_{side}", f"stall {name}", "the largest besides compute", text.label, 1
                ),
                Column(
                    f"largest_stall_share_{side}", "its share", "part of the core-cycles", text.percent, 1
                ),
            )
        ),
    )


def coder_columns(names: tuple[str, str]) -> tuple[Column, ...]:
    """Columns of the table of :meth:`Comparison.coders`."""
    a, b = names
    return (
        Column("coder", "coder", "of all maps", text.label, 9),
        *(
            column
            for side, name in (("a", a), ("b", b))
            for column in (
                Column(f"bytes_{side}", name, "bytes of an image, every map once", text.size, 6),
                Column(f"ratio_{side}", f"{name}, of raw", "raw words / coded", text.factor, 6),
            )
        ),
        Column("b_over_a", f"{b} / {a}", "bytes of the one / bytes of the other", text.factor, 5),
        Column("meaning", "which is", "", text.words, 1),
    )


def _stem(title: str) -> str:
    return PurePath(title).name.removesuffix(".zip").removesuffix(".zarr")


def _pair(a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, Any]:
    measures = {f"{key}_{side}": row[key] for key in _MEASURES for side, row in (("a", a), ("b", b))}
    ratios = {name: ratio(a[key], b[key]) for key, name in _RATIOS.items()}
    return {"layer": a["layer"], **measures, **ratios}


def _without_runs(result: Result) -> dict[str, Any]:
    document = result_document(result)
    del document["layers"], document["tool"]
    return document
