"""The ports of a component, as netlist writers want them."""

from __future__ import annotations

from amaranth import Signal, Value
from amaranth.hdl import ValueCastable
from amaranth.lib import wiring


def ports(component: wiring.Component) -> dict[str, Signal]:
    """Signals of a component's interface by name, without constants (``ready`` of a stream always ready)."""
    found = {}
    for path, _, port in component.signature.flatten(component):
        signal = Value.cast(port) if isinstance(port, ValueCastable) else port
        if isinstance(signal, Signal):
            found["__".join(str(part) for part in path)] = signal
    return found
