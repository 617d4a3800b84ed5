"""Names of the numbers of an account, the same in every output: a sweep adds its own to them."""

from __future__ import annotations

from typing import TypedDict


class Numbers(TypedDict):
    """The numbers of an account, by the name that they have in every output.

    Counts are means of an image, ratios those of the sums. ``dense_`` is the baseline's. None stands for a
    ratio with nothing to divide by.
    """

    macs: float
    nonzero_macs: float
    density: float | None
    dense_cycles: float
    cycles: float
    seconds: float
    speedup: float | None
    mac_ratio: float | None
    efficiency: float | None
    speedup_less_dram: float | None
    dense_utilization: float | None
    utilization: float | None
    dense_least_cycles: float
    least_cycles: float
    dense_channel_cycles: float
    channel_cycles: float
    dense_dram_wait: float | None
    dram_wait: float | None
    dense_dram_weights: float
    dense_dram_scales: float
    dense_dram_programs: float
    dense_dram_index: float
    dense_dram_maps_in: float
    dense_dram_maps_out: float
    dense_dram_pooled: float
    dense_dram_residuals: float
    dense_dram_bytes: float
    dram_weights: float
    dram_scales: float
    dram_programs: float
    dram_index: float
    dram_maps_in: float
    dram_maps_out: float
    dram_pooled: float
    dram_residuals: float
    dram_bytes: float
    dense_dram_maps: float
    dram_maps: float
    maps_saved: float | None
    dram_saved: float | None
    dense_energy_uj: float
    energy_uj: float
    register_energy_uj: float
    energy_ratio: float | None
    register_energy_ratio: float | None
