"""How far a network in integers is from its captured maps: the table of terminal and page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from hwsim.differences import Difference
from hwsim.report import text
from hwsim.report.tables import Column

MEANING = (
    "The network computed in integers from the picture to its end, against the float network's maps "
    "and what it ends in, quantized. Steps are those of the map's scale; maps that integers do not make are "
    "captured, and cannot differ."
)
DIFFERENCE_COLUMNS = (
    Column("map", "map", "", text.label, 9),
    Column("origin", "made by", "", text.label, 6),
    Column("share", "differ", "", lambda share: f"{share:.2%}", 8),
    Column("mean", "mean steps", "", lambda mean: f"{mean:.3f}", 5),
    Column("largest", "largest", "", str, 7),
    Column("reach", "of", "", str, 4),
)


def difference_rows(found: Sequence[Difference]) -> list[dict[str, Any]]:
    """A row a map; ``share`` is the part of its values that are not the same."""
    return [{**asdict(entry), "share": entry.differ / entry.values} for entry in found]
