"""The engine: symbols, mapping, passes, DRAM, schedule, energy, area, and what comes of them."""
