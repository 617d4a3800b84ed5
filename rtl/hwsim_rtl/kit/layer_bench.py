"""A bench of the array with streams, in plain Verilog: a layer's passes, their words and their cycles."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
from amaranth.hdl import ShapeLike
from amaranth.lib.data import Layout

from hwsim.arch import LINE_WORDS, WEIGHT_PORT_WORDS, WORD_BYTES, Arch
from hwsim.codec.segments import INDEX_ENTRY, RAW, lengths_of
from hwsim_rtl.core.payloads import (
    LINE_BITS,
    ChannelScale,
    MapRow,
    RowDescriptor,
    SentPass,
    bank_address_bits,
    weight_load,
)
from hwsim_rtl.cosim import PassStimulus

WORD_BITS = 8 * WORD_BYTES
COUNT_BITS = 32  # of numbers of passes and of cycles
PATIENCE = 4  # a layer is given up after so many times the cycles of all its passes, and those of a reset
STREAMS = ("passes", "map_rows", "rows", "coded", "index")  # of a core

_BENCH = """\
// Made by hwsim_rtl.kit.layer_bench: runs the passes of {layer} on {name}.
// Its map is in the map buffer; what they make is compared, and the cycles that each of them takes.
// Says PASS, or FAIL and what is wrong, and ends with an error then.
// With Icarus: iverilog -g2005 -o run {name}_tb.v {name}.v && vvp run
//
// Lines of the files, from the lowest bit on:
// weights.hex, scales.hex: tdata, tuser, tlast, and how many passes must be done before it is sent.
// passes.hex: tdata, and the cycles that the pass takes. map_rows.hex, rows.hex, index.hex: tdata.
// coded.hex: tdata, tlast. Those of core 0 come first. map.hex: the map buffer.
`timescale 1ns / 1ps
module {name}_tb;
  parameter STALLS = 0;  // 1: outputs wait in a quarter of the cycles, and cycles are not compared
  parameter PATIENCE = {patience};  // cycles
  localparam CORES = {cores};

  reg clk = 0, rst = 1;
  always #5 clk = ~clk;

{memories}
  initial begin
{reads}
  end

  // Of core N the lines from begin N to begin N + 1.
{begins}
  integer failures = 0;
  task fail(input [639:0] why, input integer core);
    begin
      if (failures < 10) $display("FAIL: core %0d: %0s", core, why);
      failures = failures + 1;
    end
  endtask

  // Loads, which all cores share.
  integer cycle = 0, done_passes = 0, weight_at = 0, scale_at = 0;
{loads}
  // Streams of the cores.
{wires}
  wire [CORES-1:0] busy, done, error;
  genvar c;
  generate
    for (c = 0; c < CORES; c = c + 1) begin : core
{sources}
    end
  endgenerate

  reg [15:0] noise = 16'hace1;
  always @(posedge clk) noise <= {{noise[14:0], noise[15] ^ noise[13] ^ noise[12] ^ noise[10]}};
  wire goes = STALLS == 0 || noise[1:0] != 0;
  assign coded_tready = {{CORES{{goes}}}};
  assign index_tready = {{CORES{{goes}}}};

  // The map buffer: a line in the cycle after its address.
  wire map_read;
  wire [{address_high}:0] map_address;
  reg [{line_high}:0] map_line = 0;
  always @(posedge clk) if (map_read) map_line <= map[map_address];

  {name} machine (
    .clk(clk), .rst(rst), .abort_pass({{CORES{{1'b0}}}}), .busy(busy), .done(done), .error(error),
    .align(1'b0), .map_there(2'b11), .map_read(map_read), .map_address(map_address), .map_line(map_line),
{ports}
  );

  integer n, missing;
  integer began [0:CORES-1], takes [0:CORES-1];
  always @(posedge clk) begin
    cycle <= cycle + 1;
    if (!rst) begin
      if (weights_tvalid && weights_tready) weight_at <= weight_at + 1;
      if (scales_tvalid && scales_tready) scale_at <= scale_at + 1;
      missing = 0;
      for (n = 0; n < CORES; n = n + 1) begin
        if (map_rows_tvalid[n] && map_rows_tready[n]) map_rows_at[n] <= map_rows_at[n] + 1;
        if (rows_tvalid[n] && rows_tready[n]) rows_at[n] <= rows_at[n] + 1;
        if (passes_tvalid[n] && passes_tready[n]) begin
          began[n] = cycle + 2;
          takes[n] = passes[passes_at[n]][{pass_bits} +: {count_bits}];
          passes_at[n] <= passes_at[n] + 1;
        end
        if (coded_tvalid[n] && coded_tready[n]) begin
          if (coded_at[n] == coded_begin(n + 1)) fail("a word too many", n);
          else begin
            if ({{coded_tlast[n], coded_tdata[{word_bits} * n +: {word_bits}]}} !== coded[coded_at[n]])
              fail("a wrong word", n);
            coded_at[n] <= coded_at[n] + 1;
          end
        end
        if (index_tvalid[n] && index_tready[n]) begin
          if (index_at[n] == index_begin(n + 1)) fail("an entry of the index too many", n);
          else begin
            if (index_tdata[32 * n +: 32] !== index[index_at[n]]) fail("a wrong entry of the index", n);
            index_at[n] <= index_at[n] + 1;
          end
        end
        if (done[n]) begin
          done_passes = done_passes + 1;
          if (error[n]) fail("an illegal map", n);
          if (STALLS == 0 && cycle + 1 - began[n] != takes[n]) begin
            if (failures < 10) $display("%0d cycles, not %0d", cycle + 1 - began[n], takes[n]);
            fail("a pass takes other cycles", n);
          end
        end
        missing = missing + passes_begin(n + 1) - passes_at[n] + map_rows_begin(n + 1) - map_rows_at[n]
          + rows_begin(n + 1) - rows_at[n] + coded_begin(n + 1) - coded_at[n]
          + index_begin(n + 1) - index_at[n];
      end
    end
  end

  initial begin
    missing = 1;
    for (n = 0; n < CORES; n = n + 1) begin
      passes_at[n] = passes_begin(n);
      map_rows_at[n] = map_rows_begin(n);
      rows_at[n] = rows_begin(n);
      coded_at[n] = coded_begin(n);
      index_at[n] = index_begin(n);
    end
    repeat (4) @(posedge clk);
    @(negedge clk) rst = 0;
    while ((missing != 0 || done_passes != {passes}) && cycle < PATIENCE) @(negedge clk);
    if (cycle >= PATIENCE) fail("the layer does not end", 0);
    repeat (64) @(negedge clk);
    if (failures != 0) $fatal(1, "FAIL: %0d failures", failures);
    $display("PASS: {passes} passes, {words} words");
    $finish;
  end
endmodule
"""

_BEGIN = """  function integer {name}_begin(input integer core);
    case (core)
{cases}
    endcase
  endfunction
"""

_LOADS = """  wire [{high}:0] {one} = {name}[{one}_at];
  wire [{data_high}:0] {name}_tdata = {one}[{data_high}:0];
  wire [CORES-1:0] {name}_tuser = {one}[{data} +: CORES];
  wire {name}_tlast = {one}[{data} + CORES];
  wire [{count_high}:0] {one}_after = {one}[{data} + CORES + 1 +: {count}];
  wire {name}_tvalid = !rst && {one}_at < {length} && {one}_after <= done_passes;
  wire {name}_tready;
"""

_SOURCE = """      wire [{high}:0] {name}_line = {name}[{name}_at[c]];
      assign {name}_tdata[{data} * c +: {data}] = {name}_line[{data_high}:0];
      assign {name}_tvalid[c] = !rst && {name}_at[c] < {name}_begin(c + 1);"""


@dataclass(frozen=True)
class BenchPass:
    """A pass of a layer.

    Attributes:
        core, round, unit: who makes it and when, and whose weights it has, as in the layer's mapping.
        stimulus: what the core sees of it; all passes of a layer have the same ``lines``.
        cycles: that it takes when no output waits.
        words, index: that it must make: uint64, and an entry of the index for each segment.
    """

    core: int
    round: int
    unit: int
    stimulus: PassStimulus
    cycles: int
    words: np.ndarray
    index: np.ndarray


@dataclass(frozen=True)
class _Memory:
    """A file for ``$readmemh``: ``data`` bits of tdata are the lowest ones of its ``bits`` a line."""

    data: int
    bits: int
    lines: list[int]

    def to_bytes(self) -> bytes:
        digits = -(-self.bits // 4)
        return "".join(f"{line:0{digits}x}\n" for line in self.lines).encode()


def layer_bench(name: str, layer: str, arch: Arch, passes: Sequence[BenchPass]) -> dict[str, bytes]:
    """The bench of an array for a layer whose map is in the map buffer, and what it needs beside it.

    Weights of a round are sent when all passes of the rounds before are done, so that they have room.

    Args:
        name: of the array's module.
        layer: what it is called, printable.
        arch: the machine.
        passes: of the layer.

    Returns:
        By their names the contents of ``<name>_tb.v`` and of files that end in ``.hex``.
    """
    ordered = sorted(passes, key=lambda one: (one.core, one.round))
    memories = _loads(arch, passes) | _of_cores(arch, ordered)
    begins = {stream: _begins(arch, ordered, stream) for stream in STREAMS}
    lines = passes[0].stimulus.lines
    memories["map"] = _Memory(
        WORD_BITS * LINE_WORDS, WORD_BITS * LINE_WORDS, [_number(line) for line in lines]
    )
    text = _BENCH.format(
        name=name,
        layer=layer,
        cores=arch.cores,
        passes=len(passes),
        words=len(memories["coded"].lines),
        patience=PATIENCE * (sum(one.cycles for one in passes) + (1 << bank_address_bits(arch))),
        count_bits=COUNT_BITS,
        word_bits=WORD_BITS,
        pass_bits=memories["passes"].data,
        line_high=WORD_BITS * LINE_WORDS - 1,
        address_high=LINE_BITS - 1,
        memories="".join(
            f"  reg [{one.bits - 1}:0] {file} [0:{len(one.lines) - 1}];\n" for file, one in memories.items()
        ),
        reads="\n".join(f'    $readmemh("{file}.hex", {file});' for file in memories),
        begins="".join(_begin(stream, lines) for stream, lines in begins.items()),
        loads="".join(_load_text(file, memories[file]) for file in ("weights", "scales")),
        wires="".join(_wires(stream, memories[stream].data) for stream in STREAMS),
        sources="\n".join(_source(stream, memories[stream]) for stream in STREAMS[:3]),
        ports=",\n".join(_ports(arch, memories)),
    )
    return {f"{name}_tb.v": text.encode()} | {
        f"{file}.hex": memory.to_bytes() for file, memory in memories.items()
    }


def _loads(arch: Arch, passes: Sequence[BenchPass]) -> dict[str, _Memory]:
    """What is loaded for all units, in the order of the rounds."""
    words: dict[str, list[int]] = {"weights": [], "scales": []}
    widths = {"weights": _whole_bytes(weight_load(arch)), "scales": _whole_bytes(ChannelScale)}
    rounds = sorted({one.round for one in passes})
    for number in rounds:
        users: dict[int, list[BenchPass]] = {}
        for one in passes:
            if one.round == number:
                users.setdefault(one.unit, []).append(one)
        after = sum(one.round < number for one in passes)
        for together in users.values():
            mask = sum(1 << one.core for one in together)
            stimulus = together[0].stimulus
            for file, loads in (("weights", _weights(arch, stimulus)), ("scales", _scales(arch, stimulus))):
                for i, load in enumerate(loads):
                    last = int(i == len(loads) - 1)
                    above = mask | last << arch.cores | after << arch.cores + 1
                    words[file].append(load | above << widths[file])
    extra = arch.cores + 1 + COUNT_BITS
    return {file: _Memory(widths[file], widths[file] + extra, lines) for file, lines in words.items()}


def _weights(arch: Arch, stimulus: PassStimulus) -> list[int]:
    """Loads, the last one filled up."""
    whole = stimulus.weights.tolist() + [[0] * arch.columns] * (-len(stimulus.weights) % WEIGHT_PORT_WORDS)
    pairs = (whole[at : at + WEIGHT_PORT_WORDS] for at in range(0, len(whole), WEIGHT_PORT_WORDS))
    return [_bits(weight_load(arch), pair) for pair in pairs]


def _scales(arch: Arch, stimulus: PassStimulus) -> list[int]:
    """One a column; those without a channel have zeros."""
    pairs = zip(stimulus.bias.tolist(), stimulus.multiplier.tolist(), strict=True)
    scales = [_bits(ChannelScale, {"bias": bias, "multiplier": multiplier}) for bias, multiplier in pairs]
    return scales + [0] * (arch.columns - len(scales))


def _of_cores(arch: Arch, ordered: Sequence[BenchPass]) -> dict[str, _Memory]:
    """What the cores get, and what they must make, one core's behind the other's."""
    sent = SentPass(arch)
    width = _whole_bytes(sent)
    passes, coded = [], []
    for one in ordered:
        given = one.stimulus
        entries = given.lines[given.first_index].view(INDEX_ENTRY)
        lengths = zip(lengths_of(entries).tolist(), (entries["words"] >= RAW).tolist(), strict=True)
        fields = {
            "config": given.config,
            "lengths": [{"words": words, "raw": int(raw)} for words, raw in lengths],
        }
        passes.append(_bits(sent, fields) | one.cycles << width)
        ends = set((np.cumsum(lengths_of(one.index)) - 1).tolist())
        coded += [int(word) | (at in ends) << WORD_BITS for at, word in enumerate(one.words)]
    map_rows = [_bits(MapRow, row) for one in ordered for row in one.stimulus.map_rows]
    rows = [_bits(RowDescriptor, row) for one in ordered for row in one.stimulus.rows]
    index = [entry for one in ordered for entry in one.index.view(np.uint32).tolist()]
    of_map, of_row = _whole_bytes(MapRow), _whole_bytes(RowDescriptor)
    return {
        "passes": _Memory(width, width + COUNT_BITS, passes),
        "map_rows": _Memory(of_map, of_map, map_rows),
        "rows": _Memory(of_row, of_row, rows),
        "coded": _Memory(WORD_BITS, WORD_BITS + 1, coded),
        "index": _Memory(32, 32, index),
    }


def _begins(arch: Arch, ordered: Sequence[BenchPass], stream: str) -> list[int]:
    """The line at which each core's part of a file begins, and the one behind the last."""
    counts = [0] * arch.cores
    for one in ordered:
        lengths = {
            "passes": 1,
            "map_rows": len(one.stimulus.map_rows),
            "rows": len(one.stimulus.rows),
            "coded": len(one.words),
            "index": len(one.index),
        }
        counts[one.core] += lengths[stream]
    return [0, *accumulate(counts)]


def _begin(stream: str, lines: Iterable[int]) -> str:
    cases = "\n".join(f"      {core}: {stream}_begin = {line};" for core, line in enumerate(lines))
    return _BEGIN.format(name=stream, cases=cases)


def _load_text(file: str, memory: _Memory) -> str:
    return _LOADS.format(
        name=file,
        one=file.removesuffix("s"),
        high=memory.bits - 1,
        data=memory.data,
        data_high=memory.data - 1,
        count=COUNT_BITS,
        count_high=COUNT_BITS - 1,
        length=len(memory.lines),
    )


def _wires(stream: str, data: int) -> str:
    """The wires of a stream of all cores side by side, and how far each core has come in it."""
    last = f"  wire [CORES-1:0] {stream}_tlast;\n" if stream == "coded" else ""
    return (
        f"  wire [{data} * CORES - 1:0] {stream}_tdata;\n"
        f"  wire [CORES-1:0] {stream}_tvalid, {stream}_tready;\n"
        f"{last}  integer {stream}_at [0:CORES-1];\n"
    )


def _source(stream: str, memory: _Memory) -> str:
    return _SOURCE.format(name=stream, high=memory.bits - 1, data=memory.data, data_high=memory.data - 1)


def _ports(arch: Arch, memories: dict[str, _Memory]) -> list[str]:
    """The connections of all streams, a line a stream."""
    lines = []
    for file in ("weights", "scales"):
        pins = ("tdata", "tuser", "tlast", "tvalid", "tready")
        lines.append(_line(f".s_axis_{file}_{pin}({file}_{pin})" for pin in pins))
    for core in range(arch.cores):
        for stream in STREAMS:
            width, side = memories[stream].data, "m" if stream in ("coded", "index") else "s"
            controls = ["tvalid", "tready", *(["tlast"] if stream == "coded" else [])]
            port = f"{side}_axis_{stream}_{core}"
            data = f".{port}_tdata({stream}_tdata[{width * (core + 1) - 1}:{width * core}])"
            lines.append(_line([data, *(f".{port}_{pin}({stream}_{pin}[{core}])" for pin in controls)]))
    return lines


def _line(connections: Iterable[str]) -> str:
    return "    " + ", ".join(connections)


def _bits(shape: ShapeLike, fields: object) -> int:
    return Layout.cast(shape).const(fields).as_value().value


def _whole_bytes(shape: ShapeLike) -> int:
    """Bits of a stream's tdata."""
    return -(-Layout.cast(shape).size // 8) * 8


def _number(line: np.ndarray) -> int:
    """A line of the map buffer, word 0 lowest."""
    return int.from_bytes(line.astype("<u8").tobytes(), "little")
