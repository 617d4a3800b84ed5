"""Layers and owned rows as the benches of the sequencer drive them, and what their passes read."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from core_cases import layers
from hypothesis import HealthCheck, Phase, given, seed, settings

from hwsim.arch import SUB_BANKS
from hwsim.layer import Layer
from hwsim.machine.programs import LAYER_FIELDS
from hwsim.machine.rows import input_rows, row_order

BEAT_WORDS = 4


@dataclass(frozen=True)
class RowCase:
    """A pass of a layer, of which only rows matter.

    Attributes:
        layer: geometry.
        owned: output rows, in the order of draining.
        row_sub_banks: sub-banks of a row of the ring.
        place_beats, row_beats, map_segments, first_segment: where segments of the map lie, see docs/image.md.
    """

    layer: Layer
    owned: tuple[int, ...]
    row_sub_banks: int
    place_beats: int
    row_beats: int
    map_segments: int
    first_segment: int

    @property
    def fields(self) -> dict[str, int]:
        """The descriptor, as far as rows depend on it, and 0 elsewhere."""
        layer = self.layer
        return dict.fromkeys(LAYER_FIELDS, 0) | {
            "transposed": int(layer.transposed),
            "kernel_rows": layer.kernel[0],
            "vertical_stride": layer.stride[0],
            "vertical_dilation": layer.dilation[0],
            "padding_top": layer.padding[0],
            "height": layer.in_shape[1],
            "out_height": layer.out_shape[1],
            "ring": row_order(layer).ring,
            "row_sub_banks": self.row_sub_banks,
            "map_segments": self.map_segments,
            "place_beats": self.place_beats,
            "row_beats": self.row_beats,
        }

    @property
    def expected(self) -> list[dict[str, int]]:
        """Of every input row that the pass reads: place, entry, and the fields of ``RowDescriptor``."""
        rows, found = input_rows(self.layer, self.owned), []
        ring = row_order(self.layer).ring
        for y, meets, newest, done in zip(rows.y, rows.meets, rows.newest, rows.done, strict=True):
            banks = [int(q) % ring * self.row_sub_banks if q >= 0 else 0 for q in meets]
            found.append(
                {
                    "place": int(y) * self.row_beats * BEAT_WORDS
                    + self.first_segment * self.place_beats * BEAT_WORDS,
                    "entry": int(y) * self.map_segments + self.first_segment,
                    "taps": sum(1 << k for k, q in enumerate(meets) if q >= 0),
                    "sub_banks": sum(bank << 3 * k for k, bank in enumerate(banks)),
                    "newest": int(newest),
                    "done": int(done),
                }
            )
        return found


def row_cases(number: int, count: int) -> list[RowCase]:
    """So many random passes of layers of every kind, some of which own all rows, from a seed."""
    drawn: list[Layer] = []

    @seed(number)
    @settings(
        max_examples=count, database=None, phases=[Phase.generate], deadline=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(layers(max_width=4))
    def draw(layer: Layer) -> None:
        drawn.append(layer)

    draw()
    # Both taps of the only output row miss the only row of the map.
    blind = Layer("l", "conv", "x", (1, 1, 1), (1, 1, 1), (2, 1), (1, 1), (1, 0), dilation=(2, 1))
    rng, found = random.Random(number), []
    for layer in (blind, *drawn):
        order = row_order(layer)
        if order.ring > SUB_BANKS:
            continue
        share = rng.choice([1.0, 1.0, 0.5, 0.2])
        owned = tuple(int(row) for row in order.makes if rng.random() < share)
        owned = owned or (int(rng.choice(order.makes.tolist())),)
        segments = rng.randint(1, 5)
        place = rng.randint(1, 7)
        found.append(
            RowCase(
                layer=replace(layer, name="rows"),
                owned=owned,
                row_sub_banks=rng.randint(1, SUB_BANKS // order.ring),
                place_beats=place,
                row_beats=place * segments,
                map_segments=segments,
                first_segment=rng.randrange(segments),
            )
        )
    return found
