"""The one table that a reader sees first: the paper's headline beside what is reached here."""

from __future__ import annotations

from collections.abc import Sequence

from hwsim.codec.labels import SEG
from hwsim.report import text
from hwsim.reproduce import paper
from hwsim.reproduce.entry import Compared, Entry, Simulated
from hwsim.reproduce.tables import MISSING, Table, baseline_of, gains, hidden_maps, ratio

BITS = 16  # of the paper's maps
NO_TEST = "not compared"


def headline(entries: Sequence[Entry]) -> Table:
    """Every network that was made sparser, with intervals, and the paper's."""
    rows = [_of_paper(row) for row in paper.ROWS]
    for entry in entries:
        base = baseline_of(entry, entries)
        if entry.simulated is None or base in (None, entry.simulated) or not hidden_maps(entry.simulated):
            continue
        fewer = gains(base, entry.simulated)
        if all(text.TIMES not in gain for gain in fewer) and not entry.compared:
            continue
        found = {one.reference: one for one in entry.compared}
        control = found.get("control", found.get("baseline"))
        verdict = NO_TEST if control is None else "yes" if control.no_loss else "not shown"
        points = (_points(found.get(reference)) for reference in ("control", "baseline"))
        rows.append((*entry.key, *points, verdict, *fewer, _smaller(entry.simulated)))
    return Table(
        "The paper's headline, and what is reached here",
        "Accuracy is of the test part, in points, with McNemar's 95 % interval of the paired difference: "
        "against the control (the baseline trained on for as long, with the same teacher) and against the "
        "baseline. No loss: non-inferior within half a point, one-sided at 5 %, and cross-entropy not "
        "significantly worse, against the control where there is one. Fewer MACs and cycles than the "
        "baseline network, both skipping zeros. Smaller: all maps but the picture in SEG at "
        f"{BITS} bits, against 32-bit floats. The paper's figures are from {paper.SOURCE}, not measured "
        "here; it gives no interval.",
        (
            *("network", "data", "variant", "against control", "against baseline", "no loss"),
            *("fewer MACs", "fewer cycles", "smaller than floats"),
        ),
        tuple(rows),
    )


def _of_paper(row: paper.PaperRow) -> tuple[str, ...]:
    return (
        *(f"{row.network} (paper)", row.data, "sparse", "-", f"+{row.accelerated_accuracy:.2f}", "-"),
        *(f"up to {row.acceleration:g}{text.TIMES}", "-", f"up to {row.compression:g}{text.TIMES}"),
    )


def _points(found: Compared | None) -> str:
    if found is None:
        return NO_TEST
    share = found.difference / found.pictures
    return f"{100 * share:+.2f} ({100 * found.low:+.2f} .. {100 * found.high:+.2f})"


def _smaller(found: Simulated) -> str:
    maps = hidden_maps(found)
    widths = [one.widths[str(BITS)] for one in maps if str(BITS) in one.widths]
    if len(widths) < len(maps):
        return MISSING
    return text.factor(ratio(widths, SEG, sum(one.values for one in maps)))
