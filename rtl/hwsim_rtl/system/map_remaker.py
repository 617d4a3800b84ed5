"""Max pools and flattening: a raw map is read again, and another one is made of it."""

from __future__ import annotations

from amaranth import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hwsim.arch import BURST_BYTES, WORD_BITS, Arch
from hwsim.machine.descriptors import COUNT_BITS, PLACE_BITS
from hwsim_rtl.bits.word import IndexEntry, Word
from hwsim_rtl.codec.encoder import SegEncoder
from hwsim_rtl.core.payloads import LINE_BITS, LINE_SHIFT
from hwsim_rtl.system.payloads import LayerDescriptor, MapPlaces, OutRow


class MapRemaker(wiring.Component):
    """Make the map that the next layer reads of one that the cores left raw (docs/image.md, *Remade maps*).

    Values come in the order in which the map is coded, each with all values of its window, one in a cycle; a
    window is one value where there is no pool. Padding has a cycle, too.

    Args:
        arch: the machine.

    Ports:
        prepare: In(1), the layer is known: rows and columns of what is made are counted, a cycle each.
        start: In(1), the raw map is there. busy: Out(1), until the last word was taken. wrong: Out(1), with
            ``start``: no window would end, or the map has none.
        layer, following: In(LayerDescriptor), of the layer and the next one; raw: In(MapPlaces), of the raw
            map; channels: In(16), of the map. All are constant from ``prepare`` on.
        reads, reading, line: as of :class:`hwsim_rtl.system.map_halves.HalfPort`, of the raw map.
        rows: Out(stream of OutRow). coded, index: Out(streams of Word and IndexEntry).
    """

    def __init__(self, arch: Arch) -> None:
        self._arch = arch
        super().__init__(
            {
                "prepare": In(1),
                "start": In(1),
                "busy": Out(1),
                "wrong": Out(1),
                "layer": In(LayerDescriptor()),
                "following": In(LayerDescriptor()),
                "raw": In(MapPlaces),
                "channels": In(COUNT_BITS),
                "reads": Out(LINE_BITS),
                "reading": Out(1),
                "line": In(8 * BURST_BYTES),
                "rows": Out(stream.Signature(OutRow)),
                "coded": Out(stream.Signature(Word)),
                "index": Out(stream.Signature(IndexEntry)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        layer = self.layer
        pooled = layer.pool_rows.any()
        self._window = {
            name: Mux(pooled, layer[f"pool_{name}"], otherwise)
            for name, otherwise in (
                ("rows", 1),
                ("columns", 1),
                ("vertical_stride", 1),
                ("horizontal_stride", 1),
                ("top", 0),
                ("left", 0),
            )
        }
        rows, columns = self._shape(m)
        needed = (self._window["columns"], self._window["vertical_stride"], self._window["horizontal_stride"])
        m.d.comb += self.wrong.eq(self.start & Cat(count == 0 for count in (*needed, rows, columns)).any())
        goes = Signal()
        cell = self._walk(m, goes, rows, columns)
        self._largest(m, goes, cell)
        return m

    def _shape(self, m: Module) -> tuple[Signal, Signal]:
        """Rows and columns of what is made, as many as there are windows."""
        layer, window = self.layer, self._window
        found = []
        for size, before, length, stride in (
            (layer.out_height, "top", "rows", "vertical_stride"),
            (layer.out_width, "left", "columns", "horizontal_stride"),
        ):
            count, end = (
                Signal(COUNT_BITS, name=f"made_{length}"),
                Signal(COUNT_BITS + 2, name=f"end_of_{length}"),
            )
            with m.If(self.prepare):
                m.d.sync += [count.eq(0), end.eq(window[length])]
            with m.Elif(end <= size + 2 * window[before]):
                m.d.sync += [count.eq(count + 1), end.eq(end + window[stride])]
            found.append(count)
        return found[0], found[1]

    def _walk(self, m: Module, goes: Signal, rows: Signal, columns: Signal) -> dict[str, Value]:
        """A value of a window in each cycle: what is to be read, and what it is."""
        layer, window, raw = self.layer, self._window, self.raw
        per_word = WORD_BITS // self._arch.activation_bits
        shift = per_word.bit_length() - 1
        walking = Signal()
        channel, in_segment = Signal(COUNT_BITS), Signal(COUNT_BITS)
        of_channel, of_segment = Signal(COUNT_BITS), Signal(PLACE_BITS)  # its values before, in words before
        out_row, out_column = Signal(COUNT_BITS), Signal(COUNT_BITS)
        y0, x0 = Signal(signed(COUNT_BITS + 2)), Signal(signed(COUNT_BITS + 2))
        row0, row = (
            Signal(signed(PLACE_BITS + 2)),
            Signal(signed(PLACE_BITS + 2)),
        )  # words before row y0, row y
        i, j = Signal(range(8)), Signal(range(8))
        step, above = (
            Signal(PLACE_BITS),
            Signal(PLACE_BITS),
        )  # words of a stride of rows, of the rows of padding
        in_made = Signal(COUNT_BITS)  # values of the segment that is made
        m.d.sync += [
            step.eq(window["vertical_stride"] * raw.row_words),
            above.eq(window["top"] * raw.row_words),
        ]

        y, x, number = Signal.like(y0), Signal.like(x0), Signal(COUNT_BITS)
        at = Signal(PLACE_BITS)
        cell_ends, row_ends, channel_ends, rows_end, map_ends = (
            Signal(name=name) for name in ("cell_ends", "row_ends", "channels_end", "rows_end", "map_ends")
        )
        block_ends, segment_ends, value_ends = Signal(), Signal(), Signal()
        m.d.comb += [
            y.eq(y0 + i),
            x.eq(x0 + j),
            number.eq(of_channel + x),
            at.eq(raw.first + of_segment + row + (number >> shift)),
            cell_ends.eq(j + 1 == window["columns"]),
            value_ends.eq(cell_ends & (i + 1 == window["rows"])),
            row_ends.eq(out_column + 1 == columns),
            rows_end.eq(out_row + 1 == rows),
            channel_ends.eq(channel + 1 == self.channels),
            block_ends.eq((in_segment + 1 == layer.out_block) | channel_ends),
            map_ends.eq(row_ends & rows_end & channel_ends),
            segment_ends.eq(
                Mux(
                    layer.flatten,
                    (in_made + 1 == self.following.full_values) | map_ends,
                    row_ends & block_ends,
                )
            ),
        ]
        next_channel, next_row, first_channel, first_row = (
            Signal(name=name) for name in ("next_channel", "next_row", "first_channel", "first_row")
        )
        with m.If(layer.flatten):
            m.d.comb += [
                next_row.eq(~rows_end),
                first_row.eq(rows_end),
                next_channel.eq(rows_end),
            ]
        with m.Else():
            m.d.comb += [
                next_channel.eq(~channel_ends),
                first_channel.eq(channel_ends),
                next_row.eq(channel_ends),
            ]

        left = -window["left"]
        with m.If(self.start):
            m.d.sync += [
                walking.eq(1),
                channel.eq(0), in_segment.eq(0), of_channel.eq(0), of_segment.eq(0),
                out_row.eq(0), out_column.eq(0), y0.eq(-window["top"]), x0.eq(left),
                row0.eq(-above), row.eq(-above), i.eq(0), j.eq(0), in_made.eq(0),
            ]  # fmt: skip
        with m.Elif(walking & goes):
            m.d.sync += j.eq(j + 1)
            with m.If(cell_ends):
                m.d.sync += [j.eq(0), i.eq(i + 1), row.eq(row + raw.row_words)]
            with m.If(value_ends):
                m.d.sync += [
                    i.eq(0),
                    row.eq(row0),
                    out_column.eq(out_column + 1),
                    x0.eq(x0 + window["horizontal_stride"]),
                    in_made.eq(Mux(segment_ends, 0, in_made + 1)),
                ]
            with m.If(value_ends & row_ends):
                m.d.sync += [out_column.eq(0), x0.eq(left)]
                with m.If(next_row):
                    m.d.sync += [
                        out_row.eq(out_row + 1),
                        y0.eq(y0 + window["vertical_stride"]),
                        row0.eq(row0 + step),
                        row.eq(row0 + step),
                    ]
                with m.If(first_row):
                    m.d.sync += [out_row.eq(0), y0.eq(-window["top"]), row0.eq(-above), row.eq(-above)]
                with m.If(next_channel):
                    m.d.sync += [
                        channel.eq(channel + 1),
                        in_segment.eq(Mux(block_ends, 0, in_segment + 1)),
                        of_channel.eq(Mux(block_ends, 0, of_channel + layer.out_width)),
                        of_segment.eq(of_segment + Mux(block_ends, raw.place_words, 0)),
                    ]
                with m.If(first_channel):
                    m.d.sync += [channel.eq(0), in_segment.eq(0), of_channel.eq(0), of_segment.eq(0)]
                with m.If(map_ends):
                    m.d.sync += walking.eq(0)
        self._rows(m, rows)
        self._walking = walking
        return {
            "valid": walking,
            "seen": (y >= 0) & (y < layer.out_height) & (x >= 0) & (x < layer.out_width),
            "begins": (i == 0) & (j == 0),
            "ends": value_ends,
            "segment_ends": segment_ends,
            "line": at[LINE_SHIFT:],
            "word": at[:LINE_SHIFT],
            "in_word": number[:shift] if shift else Value.cast(0),
        }

    def _rows(self, m: Module, rows: Signal) -> None:
        """The rows of what is made, for the writer."""
        out, row = self.rows, self.rows.payload
        m.d.comb += [row.first.eq(0), row.segments.eq(self.following.map_segments)]
        with m.If(self.start):
            m.d.sync += [out.valid.eq(1), row.row.eq(0)]
        with m.Elif(out.valid & out.ready):
            m.d.sync += [row.row.eq(row.row + 1), out.valid.eq(~self.layer.flatten & (row.row + 1 != rows))]

    def _largest(self, m: Module, goes: Signal, cell: dict[str, Value]) -> None:
        """The largest value of each window, coded."""
        bits = self._arch.activation_bits
        m.submodules.encoder = encoder = SegEncoder(self._arch)
        values = encoder.values
        read = {name: Signal.like(Value.cast(value), name=f"read_{name}") for name, value in cell.items()}
        m.d.comb += [
            goes.eq(~values.valid | values.ready),
            self.reads.eq(cell["line"]),
            self.reading.eq(goes),
        ]
        word, value = Signal(WORD_BITS), Signal(bits)
        best, some, better = Signal(bits), Signal(), Signal()
        kept = some & ~read["begins"]
        m.d.comb += [
            word.eq(self.line.word_select(read["word"], WORD_BITS)),
            value.eq(word.word_select(~read["in_word"], bits)),
            better.eq(read["seen"] & (~kept | (self._integer(value) > self._integer(best)))),
            encoder.config.order.eq(self.layer.out_order),
            encoder.config.compressed.eq(1),
            encoder.config.raw_bits.eq(bits),
        ]
        waiting = Signal(COUNT_BITS)  # segments that the encoder has not ended
        ended = self.index.valid & self.index.ready
        m.d.sync += waiting.eq(waiting + (values.valid & values.ready & values.payload.segment_end) - ended)
        with m.If(goes):
            m.d.sync += [signal.eq(cell[name]) for name, signal in read.items()]
            m.d.sync += values.valid.eq(read["valid"] & read["ends"])
            with m.If(read["valid"]):
                m.d.sync += [
                    best.eq(Mux(better, value, best)),
                    some.eq(kept | read["seen"]),
                    values.payload.code.eq(Mux(better, value, best)),
                    values.payload.segment_end.eq(read["segment_ends"]),
                ]
        connect(m, encoder.words, flipped(self.coded))
        connect(m, encoder.index, flipped(self.index))
        m.d.comb += self.busy.eq(
            self._walking | read["valid"] | values.valid | waiting.any() | self.rows.valid
        )

    def _integer(self, code: Value) -> Value:
        """What a code stands for, to be compared."""
        odd = Mux(code[0], (code >> 1) + 1, -(code >> 1))
        return Mux(self.layer.signed_output, odd, code)
