"""Pools and flattening: a raw map is read again, and another one is made of it."""

from __future__ import annotations

from amaranth import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hwsim.arch import BURST_BYTES, LINE_WORDS, Arch
from hwsim.machine.descriptors import COUNT_BITS, PLACE_BITS, POOL_FIELDS, WINDOW_COLUMNS
from hwsim_rtl.bits.word import IndexEntry, Word
from hwsim_rtl.core.payloads import LINE_BITS
from hwsim_rtl.system.payloads import LayerDescriptor, MapPlaces, OutRow, PoolWindow
from hwsim_rtl.system.window_values import WindowPart, WindowValues

ROW_BITS, COLUMN_BITS = POOL_FIELDS["rows"], POOL_FIELDS["columns"]  # of a row, and a column, of a window


class MapRemaker(wiring.Component):
    """Make the map that the next layer reads of one that the cores left raw (docs/image.md, *Remade maps*).

    Windows come in the order in which the map that is made is coded, in a window its rows, and in a row parts
    of WINDOW_COLUMNS columns. A part takes a cycle for each line of the map buffer in which values of it lie,
    one or two of them, and one if none does; a window is one value where there is no pool. What becomes of
    parts, :class:`WindowValues` makes.

    Args:
        arch: the machine.

    Ports:
        prepare: In(1), the layer is known: rows and columns of what is made are counted, a cycle each.
        start: In(1), the raw map is there. busy: Out(1), until the last word was taken. wrong: Out(1), with
            ``start``: no window would end, or the map has none.
        layer, following: In(LayerDescriptor), of the layer and the next one; pool: In(PoolWindow), between
            them; raw: In(MapPlaces), of the raw map; channels: In(16), of the map. All are constant from
            ``prepare`` on.
        reads, reading, line: as of :class:`hwsim_rtl.system.map_halves.HalfPort`, of the raw map.
        rows: Out(stream of OutRow). coded, index: Out(streams of Word and IndexEntry).
    """

    def __init__(self, arch: Arch) -> None:
        self._arch = arch
        self._per_line = 8 * BURST_BYTES // arch.activation_bits
        super().__init__(
            {
                "prepare": In(1),
                "start": In(1),
                "busy": Out(1),
                "wrong": Out(1),
                "layer": In(LayerDescriptor()),
                "following": In(LayerDescriptor()),
                "pool": In(PoolWindow()),
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
        pooled = self.pool.rows.any()
        self._window = {
            name: Mux(pooled, self.pool[name], otherwise)
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
        m.submodules.values = values = WindowValues(self._arch)
        self._walk(m, values.parts.ready, values.parts.payload, rows, columns)
        m.d.comb += [
            values.parts.valid.eq(self._walking),
            values.layer.eq(self.layer),
            values.following.eq(self.following),
            values.pool.eq(self.pool),
            values.line.eq(self.line),
            self.reads.eq(values.parts.payload.number),
            self.reading.eq(values.parts.ready),
            self.busy.eq(values.busy | self._walking | self.rows.valid),
        ]
        connect(m, values.coded, flipped(self.coded))
        connect(m, values.index, flipped(self.index))
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

    def _walk(
        self, m: Module, goes: Value, cell: data.View[WindowPart], rows: Signal, columns: Signal
    ) -> None:
        """A part of a window in each cycle, or what of it lies in a line: what is read, and what it is."""
        layer, window, raw = self.layer, self._window, self.raw
        walking = self._walking = Signal()
        channel, in_segment = Signal(COUNT_BITS), Signal(COUNT_BITS)
        of_channel, of_segment = Signal(COUNT_BITS), Signal(PLACE_BITS)  # its values before, in words before
        out_row, out_column = Signal(COUNT_BITS), Signal(COUNT_BITS)
        y0, x0 = Signal(signed(COUNT_BITS + 2)), Signal(signed(COUNT_BITS + 2))
        row0, row = (
            Signal(signed(PLACE_BITS + 2)),
            Signal(signed(PLACE_BITS + 2)),
        )  # words before row y0, row y
        # The row of the window; its part's first column, and how many from there on; its first line was read.
        i, x, left = Signal(ROW_BITS), Signal(signed(COUNT_BITS + 2)), Signal(COLUMN_BITS)
        second, begins = Signal(), Signal()
        step, above = (
            Signal(PLACE_BITS),
            Signal(PLACE_BITS),
        )  # words of a stride of rows, of the rows of padding
        in_made = Signal(COUNT_BITS)  # values of the segment that is made
        m.d.sync += [
            step.eq(window["vertical_stride"] * raw.row_words),
            above.eq(window["top"] * raw.row_words),
        ]

        row_ends, channel_ends, rows_end, map_ends = (
            Signal(name=name) for name in ("row_ends", "channels_end", "rows_end", "map_ends")
        )
        block_ends, segment_ends, row_read, value_ends = Signal(), Signal(), Signal(), Signal()
        read_ends = self._part(m, cell, y0 + i, x, left, second, raw.first + of_segment + row, of_channel)
        m.d.comb += [
            row_read.eq(read_ends & (left <= WINDOW_COLUMNS)),
            value_ends.eq(row_read & (i + 1 == window["rows"])),
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
            cell.begins.eq(begins),
            cell.ends.eq(value_ends),
            cell.segment_ends.eq(segment_ends),
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

        before = -window["left"]
        with m.If(self.start):
            m.d.sync += [
                walking.eq(1),
                channel.eq(0), in_segment.eq(0), of_channel.eq(0), of_segment.eq(0),
                out_row.eq(0), out_column.eq(0), y0.eq(-window["top"]), x0.eq(before), x.eq(before),
                row0.eq(-above), row.eq(-above), i.eq(0), left.eq(window["columns"]), second.eq(0),
                begins.eq(1), in_made.eq(0),
            ]  # fmt: skip
        with m.Elif(walking & goes):
            m.d.sync += [second.eq(~read_ends), begins.eq(value_ends)]
            with m.If(read_ends):
                m.d.sync += [x.eq(x + WINDOW_COLUMNS), left.eq(left - WINDOW_COLUMNS)]
            with m.If(row_read):
                m.d.sync += [
                    i.eq(i + 1),
                    row.eq(row + raw.row_words),
                    x.eq(x0),
                    left.eq(window["columns"]),
                ]
            with m.If(value_ends):
                m.d.sync += [
                    i.eq(0),
                    row.eq(row0),
                    out_column.eq(out_column + 1),
                    x0.eq(x0 + window["horizontal_stride"]),
                    x.eq(x0 + window["horizontal_stride"]),
                    in_made.eq(Mux(segment_ends, 0, in_made + 1)),
                ]
            with m.If(value_ends & row_ends):
                m.d.sync += [out_column.eq(0), x0.eq(before), x.eq(before)]
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

    def _part(
        self,
        m: Module,
        cell: data.View[WindowPart],
        y: Value,
        x: Value,
        columns: Value,
        second: Signal,
        words: Value,
        values: Value,
    ) -> Signal:
        """What of a part of a window is read now: its line, where in it the part begins, and which columns.

        Args:
            m: the module.
            cell: what is driven of it.
            y, x: the row of the map, and the column of the part's first value, which may lie beyond it.
            columns: of the window, from that one on.
            second: the first of two lines was read.
            words, values: of the map buffer before the place of the row, of the place before x = 0.

        Returns:
            Whether no line is left.
        """
        layer = self.layer
        shift = (self._per_line // LINE_WORDS).bit_length() - 1  # of the values of a word
        at, in_map, low, high = (
            Signal(signed(PLACE_BITS + 8)),
            Signal(),
            Signal(WINDOW_COLUMNS),
            Signal(WINDOW_COLUMNS),
        )
        ends = Signal()
        m.d.comb += [
            at.eq((words << shift) + values + x),
            in_map.eq((y >= 0) & (y < layer.out_height)),
            cell.position.eq(at[: len(cell.position)]),
        ]
        for column in range(WINDOW_COLUMNS):
            seen, behind = Signal(name=f"seen{column}"), Signal(name=f"behind{column}")
            m.d.comb += [
                seen.eq(in_map & (column < columns) & (x + column >= 0) & (x + column < layer.out_width)),
                behind.eq(cell.position + column >= self._per_line),
                low[column].eq(seen & ~behind),
                high[column].eq(seen & behind),
            ]
        of_high = second | ~low.any()
        m.d.comb += [
            cell.number.eq((at >> len(cell.position)) + of_high),
            cell.seen.eq(Mux(of_high, high, low)),
            ends.eq(second | ~(low.any() & high.any())),
        ]
        return ends

    def _rows(self, m: Module, rows: Signal) -> None:
        """The rows of what is made, for the writer."""
        out, row = self.rows, self.rows.payload
        m.d.comb += [row.first.eq(0), row.segments.eq(self.following.map_segments)]
        with m.If(self.start):
            m.d.sync += [out.valid.eq(1), row.row.eq(0)]
        with m.Elif(out.valid & out.ready):
            m.d.sync += [row.row.eq(row.row + 1), out.valid.eq(~self.layer.flatten & (row.row + 1 != rows))]
