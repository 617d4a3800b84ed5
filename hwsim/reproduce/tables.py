"""The tables: which figures, of which entries, under which title; the same for Markdown and screen."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hwsim import codec
from hwsim.codec import labels
from hwsim.machine import totals
from hwsim.machine.totals import Speed
from hwsim.report import text
from hwsim.reproduce.accuracy import FLOATS, WIDTHS
from hwsim.reproduce.entry import Entry, MapSizes, Simulated, Width
from hwsim.reproduce.sizes import WIDTHS as CODED_WIDTHS

FLOAT_BITS = 32  # of the base that the paper's factor fits
MISSING = "not measured"
OTHER_PICTURES = "other pictures"  # than those of the baseline: no comparison


@dataclass(frozen=True)
class Table:
    """A table in words.

    Attributes:
        title: what it shows.
        legend: base and meaning, a sentence or more.
        columns: titles.
        rows: of as many cells.
    """

    title: str
    legend: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def all_tables(entries: Sequence[Entry]) -> list[Table]:
    """Accuracy, speed, and sizes at every width."""
    sizes = [_sizes(entries, bits) for bits in CODED_WIDTHS]
    return [_accuracy(entries), _speed(entries), *sizes]


def _accuracy(entries: Sequence[Entry]) -> Table:
    columns = (FLOATS, *map(str, WIDTHS))
    rows = []
    for entry in entries:
        pictures = sorted({score.pictures for score in entry.accuracy.values()})
        cells = [_answers(entry, column) for column in columns]
        rows.append((*_names(entry), ", ".join(f"{n:,}" for n in pictures) or "-", *cells))
    return Table(
        "Accuracy with quantized maps in the loop",
        "Right answers / pictures: in floats, and with 8-bit weights and maps of so many bits, every map "
        "rounded to its code before it is read; behind a stroke, the network in integers alone, as "
        "the machine computes it. Measured, none is assumed; where there are two numbers of pictures, the "
        "notes say which is of what.",
        ("network", "data", "variant", "pictures", "floats", *(f"{bits} bits" for bits in WIDTHS)),
        tuple(rows),
    )


def _answers(entry: Entry, width: str) -> str:
    """Accuracy in the loop, and in integers where that was measured."""
    found = [by[width] for by in (entry.accuracy, entry.integers) if width in by]
    return " / ".join(f"{score.accuracy * 100:.2f} %" for score in found) or MISSING


def _speed(entries: Sequence[Entry]) -> Table:
    rows = []
    for entry in entries:
        if entry.simulated is None:
            rows.append((*_names(entry), "-", *[MISSING] * 6))
            continue
        found, base = entry.simulated, baseline_of(entry, entries)
        speed = speed_of(found)
        rows.append(
            (
                *_names(entry),
                str(found.images),
                _share(_density(found)),
                _share(totals.ratio(speed.macs, speed.dense_macs)),
                text.factor(speed.mac_ratio),
                text.factor(speed.speedup),
                *gains(base, found),
            )
        )
    machines = sorted({entry.simulated.machine for entry in entries if entry.simulated})
    return Table(
        "Density and speedup",
        f"Simulated machine: {'; '.join(machines) or 'none'}. Density by elements is that of the maps "
        "without the picture; density by MACs, and all speedups, are of all layers. MAC ratio: valid MACs / "
        "MACs with a non-zero activation, what skipping saves in multiplications and no bound. Simulated: "
        "cycles of the dense baseline (the same machine, zeros not skipped, maps not compressed) / cycles, "
        "all pictures together. Against the baseline network: its "
        "non-zero MACs, or its cycles on the skipping machine, / those of this variant.",
        (
            *("network", "data", "variant", "pictures", "density, elements", "density, MACs", "MAC ratio"),
            *("simulated", "fewer MACs than baseline network", "fewer cycles than baseline network"),
        ),
        tuple(rows),
    )


def _sizes(entries: Sequence[Entry], bits: int) -> Table:
    coders = labels.in_order({*codec.names(), labels.ZSTD})
    rows = []
    for entry in entries:
        maps = hidden_maps(entry.simulated) if entry.simulated else ()
        widths = [known.widths[str(bits)] for known in maps if str(bits) in known.widths]
        if not maps or len(widths) < len(maps):
            rows.append((*_names(entry), *[MISSING] * (len(coders) + 2)))
            continue
        values = sum(known.values for known in maps)
        least = min(known.values / known.widths[str(bits)].distinct for known in maps)
        rows.append(
            (
                *_names(entry),
                _share(totals.ratio(sum(width.nonzeros for width in widths), values)),
                *(_both_ratios(widths, name, values) for name in coders),
                f"{text.count(values)}, {text.count(least)}",
            )
        )
    return Table(
        f"Compression of the maps at {bits} bits",
        f"Each cell: times smaller than raw {bits}-bit words / times smaller than {FLOAT_BITS}-bit floats; "
        "all maps together, without the picture. Entropy: zeroth-order, of each map's histogram over all "
        "pictures: a bound for codes of single values, not a code. Samples: values in all, and values for "
        "each distinct one in the map where they are fewest; where these are few, the entropy is too low to "
        "be a bound. Of a trace, no width above its own can be measured.",
        ("network", "data", "variant", "density", *map(labels.label, coders), "samples"),
        tuple(rows),
    )


def hidden_maps(found: Simulated) -> tuple[MapSizes, ...]:
    """All maps but the picture."""
    return tuple(known for known in found.maps if not known.picture)


def own_width(known: MapSizes) -> tuple[str, Width]:
    """The width at which a map was captured: bits as text, and its sizes."""
    bits = max(known.widths, key=int)
    return bits, known.widths[bits]


def _both_ratios(widths: Sequence[Width], coder: str, values: int) -> str:
    """Of a coder that these maps were measured with; kept tables may be older than a coder."""
    if any(coder not in width.bits for width in widths):
        return MISSING
    return f"{_times(ratio(widths, coder))} / {_times(ratio(widths, coder, values))}"


def ratio(widths: Iterable[Width], coder: str, values: int | None = None) -> float | None:
    """How many times smaller than raw words of the width; with ``values``, than so many floats."""
    widths = list(widths)
    bits = sum(width.bits[coder] for width in widths)
    base = values * FLOAT_BITS if values else sum(width.bits[labels.RAW] for width in widths)
    return totals.ratio(base, bits)


def speed_of(found: Simulated) -> Speed:
    """MACs and cycles of all layers and pictures, and what follows from them."""
    return Speed.of(
        (layer.macs, layer.nonzero_macs, layer.dense_cycles, layer.cycles) for layer in found.layers
    )


def mac_gain(base: Simulated, found: Simulated) -> float | None:
    """Non-zero MACs of a picture on the baseline network / on this one."""
    return totals.ratio(speed_of(base).macs * found.images, speed_of(found).macs * base.images)


def cycle_gain(base: Simulated, found: Simulated) -> float | None:
    """Cycles of a picture on the baseline network / on this one, both skipping zeros."""
    return totals.ratio(speed_of(base).cycles * found.images, speed_of(found).cycles * base.images)


def _density(found: Simulated) -> float | None:
    """Of the maps at the width at which they were captured."""
    maps = hidden_maps(found) or found.maps
    nonzeros = sum(own_width(known)[1].nonzeros for known in maps)
    return totals.ratio(nonzeros, sum(known.values for known in maps))


def _share(value: float | None) -> str:
    return text.NOTHING if value is None else f"{value:.3f}"


def _times(value: float | None) -> str:
    return text.factor(value).removesuffix(text.TIMES)


def baseline_of(entry: Entry, entries: Sequence[Entry]) -> Simulated | None:
    """The baseline of the same network and data."""
    same = [other for other in entries if other.key == (entry.network, entry.data, "baseline")]
    return same[0].simulated if same else None


def gains(base: Simulated | None, found: Simulated) -> tuple[str, str]:
    """Fewer MACs and cycles than the baseline network has on the same pictures."""
    if base is None:
        return MISSING, MISSING
    if [known for known in base.maps if known.picture] != [known for known in found.maps if known.picture]:
        return OTHER_PICTURES, OTHER_PICTURES
    return text.factor(mac_gain(base, found)), text.factor(cycle_gain(base, found))


def _names(entry: Entry) -> tuple[str, str, str]:
    return text.label(entry.network), text.label(entry.data), text.label(entry.variant)
