"""What bounds a speedup: the multipliers, the DRAM channel, and why it can exceed the MAC ratio."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hwsim.report import text
from hwsim.report.tables import BEYOND, Column

# What the baseline spends its extra core-cycles a MAC on, where a speedup exceeds the MAC ratio.
BEYOND_MEANINGS = {
    "compute": "the baseline's multiplications: depthwise values that several row groups read, or that meet "
    "fewer taps at a border; over several layers, zeros in layers that fill few columns",
    "taps": "values without a valid tap, each of which the baseline spends a cycle on",
    "decode": "the baseline's decoder, which takes one value a cycle",
    "dram": "the baseline's raw maps, which it waits for",
    "weights": "the baseline's weights, which it waits for",
    "drain": "the baseline's drain",
    "pool": "the baseline's pools, and maps that it lays out anew",
    "imbalance": "the baseline's cores that are done while another one works",
}
DEFINITIONS = {
    "MAC ratio": "valid MACs / MACs with a non-zero activation: what skipping saves in multiplications. No "
    "bound: the speedup is it x core-cycles a MAC of the baseline / core-cycles a MAC of the machine",
    "least cycles": "the bound on compute, true of every layer: MACs performed / (cores x columns); in a "
    "depthwise layer a core does at most Kh Kw MACs in ceil(Kh Kw / columns) cycles",
    "busy": "MACs performed / (cycles x cores x columns): how much of the time a multiplier works",
    "channel cycles": "the bound by DRAM, true of a whole image: bytes / bytes a cycle. Not of a layer, "
    "since fetching runs ahead of it and writing goes on behind it",
    "waits for DRAM": "share of the core-cycles that wait for words of the map or for weights",
    "speedup less DRAM": "the speedup with the core-cycles that wait for DRAM left out of both machines",
    "beyond by": BEYOND.meaning,
}
_LISTED = 6  # layers that a sentence names

BOUND_COLUMNS = (
    Column("layer", "layer", "name in the trace", text.label),
    Column(
        "dense_least_cycles",
        "dense least cycles",
        "of the baseline: " + DEFINITIONS["least cycles"],
        text.whole,
    ),
    Column("dense_cycles", "dense cycles", "of the dense baseline, an image", text.whole),
    Column("dense_utilization", "dense busy", "of the baseline: " + DEFINITIONS["busy"], text.percent),
    Column("least_cycles", "least cycles", DEFINITIONS["least cycles"], text.whole),
    Column("cycles", "cycles", "of an image", text.whole),
    Column("utilization", "busy", DEFINITIONS["busy"], text.percent),
    Column("speedup", "speedup", "dense cycles / cycles", text.factor),
    Column("mac_ratio", "MAC ratio", DEFINITIONS["MAC ratio"], text.factor),
    BEYOND,
    Column(
        "dense_channel_cycles",
        "dense channel",
        "of the baseline: " + DEFINITIONS["channel cycles"],
        text.whole,
    ),
    Column("channel_cycles", "channel", DEFINITIONS["channel cycles"], text.whole),
    Column("dense_dram_wait", "dense waits for DRAM", DEFINITIONS["waits for DRAM"], text.percent),
    Column("dram_wait", "waits for DRAM", DEFINITIONS["waits for DRAM"], text.percent),
    Column("speedup_less_dram", "speedup less DRAM", DEFINITIONS["speedup less DRAM"], text.factor),
)


def speedup_words(total: Mapping[str, Any]) -> str:
    """Speedup, MAC ratio and how busy the multipliers are, from a row of the account."""
    words = (
        f"Speedup {text.factor(total['speedup'])} over the dense baseline; "
        f"MAC ratio {text.factor(total['mac_ratio'])}; multipliers busy "
        f"{text.percent(total['utilization'])} of the time (dense {text.percent(total['dense_utilization'])})"
    )
    if not _visibly_beyond(total):
        return f"{words}."
    return f"{words}; beyond the MAC ratio by {BEYOND_MEANINGS[total['beyond']]}."


def bound_words(total: Mapping[str, Any]) -> str:
    """The bound on compute and the effect of DRAM, apart, from a row of the account."""
    return (
        f"The multipliers alone would take {text.whole(total['least_cycles'])} cycles "
        f"(dense {text.whole(total['dense_least_cycles'])}), the DRAM channel alone "
        f"{text.whole(total['channel_cycles'])} (dense {text.whole(total['dense_channel_cycles'])}). "
        f"Waiting for DRAM takes {text.percent(total['dram_wait'])} of the core-cycles (dense "
        f"{text.percent(total['dense_dram_wait'])}); without it the speedup is "
        f"{text.factor(total['speedup_less_dram'])}."
    )


def beyond_words(rows: Sequence[Mapping[str, Any]]) -> str:
    """The layers that are faster than their MAC ratio, and why; nothing if there is none."""
    beyond = [row for row in rows if _visibly_beyond(row)]
    if not beyond:
        return ""
    named = [
        f"{text.label(row['layer'], 24)} ({text.factor(row['speedup'])} of {text.factor(row['mac_ratio'])}: "
        f"{row['beyond']})"
        for row in beyond[:_LISTED]
    ]
    more = f" and {len(beyond) - _LISTED} more" if len(beyond) > _LISTED else ""
    return f"Beyond their MAC ratio, by what the baseline loses more to: {', '.join(named)}{more}."


def _visibly_beyond(row: Mapping[str, Any]) -> bool:
    """Whether the speedup exceeds the MAC ratio by as much as is shown of them."""
    return row["beyond"] is not None and text.factor(row["speedup"]) != text.factor(row["mac_ratio"])


def energy_words(total: Mapping[str, Any]) -> str:
    """Energies of an image, from a row of the account."""
    return (
        f"Energy of an image {text.energy(total['energy_uj'])}; dense baseline "
        f"{text.energy(total['dense_energy_uj'])} ({text.factor(total['energy_ratio'])}); estimate of a "
        f"dense machine with its sums in registers {text.energy(total['register_energy_uj'])} "
        f"({text.factor(total['register_energy_ratio'])})."
    )
