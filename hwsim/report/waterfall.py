"""What separates the dense baseline's cycles from the machine's, as a sum."""

from __future__ import annotations

from typing import Any

from hwsim.machine.result import Result
from hwsim.machine.totals import STALLS, Account
from hwsim.report import text
from hwsim.report.tables import CAUSE_MEANINGS, Column

GAINS = ("dense_stalls", "zeros")
LOSSES = STALLS

WATERFALL_COLUMNS = (
    Column("layer", "layer", "name in the trace", text.label),
    Column("dense_cycles", "dense cycles", "of the dense baseline", text.whole),
    Column("dense_stalls", "- dense stalls", "what the baseline loses itself, all causes", text.whole),
    Column("zeros", "- zeros", "multiplications by zero that the baseline performs", text.whole),
    Column("compute", "= compute", "the work that is left: " + CAUSE_MEANINGS["compute"], text.whole),
    *(Column(cause, f"+ {cause}", CAUSE_MEANINGS[cause], text.whole) for cause in LOSSES),
    Column("cycles", "= cycles", "of the machine", text.whole),
)


def waterfall_rows(result: Result) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """All layers together, and each: cycles of an image, averaged over the images.

    Core-cycles are divided by the cores. In every row ``dense_cycles - dense_stalls - zeros = compute``, and
    ``compute`` with the losses by cause sums to ``cycles``.
    """
    return _row(result.account), [_row(account) for account in result.accounts.values()]


def _row(account: Account) -> dict[str, Any]:
    skipping, dense = account.skipping, account.dense
    counts = {
        "dense_cycles": dense.core_cycles,
        "dense_stalls": dense.core_cycles - dense.causes["compute"],
        "zeros": dense.causes["compute"] - skipping.causes["compute"],
        **skipping.causes,
        "cycles": skipping.core_cycles,
    }
    cores = account.arch.cores
    return {"layer": account.name, **{key: account.mean(count) / cores for key, count in counts.items()}}
