"""The note on integration that goes with the emitted Verilog."""

from __future__ import annotations

from amaranth.hdl import ShapeLike
from amaranth.lib import data

from hwsim.arch import LINE_ENTRIES, LINE_WORDS, START_LATENCY, WEIGHT_PASSES, WEIGHT_PORT_WORDS, Arch
from hwsim.driver.describe import error_table, register_table
from hwsim_rtl.core.abort import ABORT_CYCLES
from hwsim_rtl.core.payloads import ChannelScale, MapRow, RowDescriptor, SentPass, bank_address_bits
from hwsim_rtl.core.reader import READ_AFTER

_NOTE = """# {name}: integration
Made by `hwsim_rtl.emit`; do not edit, emit it again.

{cores} cores of {columns} columns, activations of up to {activation_bits} bits, weights of {weight_bits}
bits. One clock `clk`, a synchronous reset `rst`, active high. All streams are AXI4-Stream: a transfer takes
place in a cycle with `tvalid` and `tready` high. `tdata` is filled up to whole bytes with bits that are
ignored (in) or zero (out).

## Order of a pass of core N
1. Load its weights on `s_axis_weights` and its channel scales on `s_axis_scales`, each in order from the
   first, `tlast` with the last one, `tuser` the mask of the cores that take them. The memory is a
   ring of {weight_loads} loads of {load_words} words; those of a pass that has no whole number of loads are
   filled up. Loads may run ahead of the passes, by at most {passes_ahead}, and must not overwrite those of a
   pass that is not done. Scales are always {columns} a pass.
2. Send the configuration on `s_axis_passes_N`, with the lengths (words, and whether raw, as in an index
   entry) that stand in the line of the index with the entry of the pass's first segment. It is taken when the
   pass starts: when the pass before is done and the loads are in, {start_latency} cycles before a slot of the
   core.
3. For each input row its place on `s_axis_map_rows_N` (word number of the first segment that the pass reads
   of it, number of that segment's entry in the index), before the row is read, and a row descriptor on
   `s_axis_rows_N`, before the first value of the row is decoded. Both may be offered at any time, in the
   order of the passes. The segments themselves are read from the map buffer.
4. The output segments leave on `m_axis_coded_N`, `tlast` with the last word of each, and one index entry a
   segment on `m_axis_index_N` (words in bits 14:0, whether raw in 15, non-zeros in 31:16). A segment waits in
   the core until it has ended, and is then written raw or in SEG, whichever has fewer words; if its pass says
   that all are raw, none waits. `done[N]` is high in the last cycle of the pass, when all its segments have
   ended: words and entries of the last ones may come after that, beside the next pass. `error[N]` says that
   the words were no legal map; the pass still ends, once it has taken as many ends of segments as it has
   segments, and its outputs are of no use. It falls with the next start.

## Reset and abort
After `rst` a core clears its accumulators, {clear_cycles} cycles in which `busy[N]` is high; a pass that is
sent then starts after that. `rst` may come at any time. `abort_pass[N]` does the same for core N alone, and
keeps the rules of AXI4-Stream: an output that waits to be taken is taken first. While `abort_pass[N]` is
high, as long as that takes, and for {abort_cycles} cycles more, the core takes and drops its
rows, row descriptors and passes, and its part of loads, and shows no output; so it is held until all that was
under way for the core has been sent, and nothing is sent in those cycles. The core then starts anew with a
load, which it takes while `busy[N]` is still high.
A pass to which lines are missing never ends; an abort ends it.

A weight word is {columns} weights, column 0 in the lowest bits; a load has its first word in the lowest bits.

## Map buffer
Lines of {line_words} words of 64 bits, word 0 lowest; a map's segments lie each at a fixed place, and from
line `index_line` on its index, {line_entries} entries of 32 bits a line (words in bits 15:0). All cores read
through one port, in slots: core N in cycle N and every {period} cycles, counted from the cycle after a reset
or after `align`, which may be high while no pass is at work or about to start. In a slot the lines that its
core's two lanes want are on `map_asks_0` and `map_asks_1`; `map_there` answers in the same cycle, a bit for
each, whether all words of it that the pass reads are in the buffer (the index must be, whole, when a pass
starts). If a line is read, `map_read` is high {read_after} cycles after the slot, with its number on
`map_address`; it must be on `map_line` in the cycle after that. `map_spare` is high in the cycles in which no
core can read, once in {period}.

## tdata of s_axis_passes_N
{passes}

## tdata of s_axis_map_rows_N
{map_rows}

## tdata of s_axis_rows_N
{rows}

## tdata of s_axis_scales
{scales}

## Lint and simulation
`verilator --lint-only -Wall {name}.vlt {name}.v` (5.048) is clean; the first file has the waivers and their
reasons. So is `fusesoc --cores-root . run --target=lint hwsim:accelerator:{name}`. `{core_name}` is one core,
of which `{name}` has {cores}. A module that is instantiated more than once is there once.

With `--testbench TRACE --layer L` there is a bench of the passes of a layer, `{name}_tb.v`:
`iverilog -g2005 -o run {name}_tb.v {name}.v && vvp run`, or FuseSoC's `--target=sim`. Its files have the
`tdata` of every stream; its head says how.
"""

_SYSTEM_NOTE = """# {name}: integration
Made by `hwsim_rtl.emit`; do not edit, emit it again.

A machine of {cores} cores of {columns} columns that runs memory images of `hwsim compile`. One clock `clk`; a
synchronous reset `rst`, active high, of at least a cycle, together with that of its buses.

- `m_axi_*`: an AXI4 master, 256 bits of data, 40 of address, ID 0, to the memory with the image.
- `s_axi_*`: an AXI4-Lite slave, 32 bits, 4,096 bytes of addresses: its registers.
- `irq`: the interrupt, high from the end of a run until `interrupt_pending` is written, if it is enabled.

All outputs of a bus depend on its inputs of earlier cycles alone. Bursts are of 1 to 128 whole beats in
ascending order, within 4,096 bytes.

## A run
1. Write the file of an image to memory, at a multiple of 32 bytes. Behind it there must be room for what the
   machine writes: 192 + `memory_bytes` (a field of the image) bytes in all.
2. Write its address to `image` and that size to `length`, 1 to `interrupt_enable`, 1 to `control`.
3. Wait for the interrupt; write 1 to `interrupt_pending`.
4. If `status.error` is 0, the result lies 192 + `result_at` bytes behind the image's first one.

An abort ends a run at any moment: what is under way on the bus is brought to its end, and then `status.busy`
falls. After an error `status.busy` falls likewise; the next start needs no reset. `hwsim.h` has all numbers
for C. How those of an image are found, recovery, clocks, and an image worked out by hand, byte by byte, are
on the page *For integrators* of hwsim's documentation (docs/integration.md).

## Registers
{registers}
## Errors
{errors}
## Lint
`verilator --lint-only -Wall {name}.vlt {name}.v` (5.048) is clean; the first file has the waivers and their
reasons. So is `fusesoc --cores-root . run --target=lint hwsim:accelerator:{name}`.

## LiteX
`hwsim_litex.py` puts the machine into a system of LiteX 2024.12: `add_hwsim(soc, origin)`. By itself it
writes a small system's Verilog: `python hwsim_litex.py build`.

## Benches
With `--testbench` there are two benches beside the Verilog, which run the image of `image.bin` and compare
memory with `expected.hex`, where bits of `mask.hex` are 1 (in the order of Verilog's `$readmemh`: a line for
each beat of 32 bytes, the last byte first). They say PASS with the number of cycles, or FAIL and why, and end
with an error then. A run is given up after ten times the cycles of the model, and 10,000.
- `{name}_tb.v`, plain Verilog: `iverilog -g2005 -o run {name}_tb.v {name}.v && vvp run`, or FuseSoC's
  `--target=sim`; with Verilator `verilator --binary --timing -Wno-lint {name}_tb.v {name}.v`.
- `{name}_cocotb.py`, for cocotb 2 and cocotbext-axi, with random stalls on both buses:
  `make -f cocotb.mk`; its head says how to choose seed, stalls and patience.
"""


def integration_note(arch: Arch, name: str, core_name: str) -> str:
    """What a user of the Verilog must know, Markdown.

    Args:
        arch: the machine.
        name: of the top module. core_name: of the module of a core.
    """
    return _NOTE.format(
        name=name,
        core_name=core_name,
        **{field: getattr(arch, field) for field in ("cores", "columns", "activation_bits", "weight_bits")},
        load_words=WEIGHT_PORT_WORDS,
        weight_loads=arch.weight_words // WEIGHT_PORT_WORDS,
        passes_ahead=WEIGHT_PASSES,
        clear_cycles=1 << bank_address_bits(arch),
        abort_cycles=ABORT_CYCLES,
        start_latency=START_LATENCY,
        line_words=LINE_WORDS,
        line_entries=LINE_ENTRIES,
        period=arch.cores + 1,
        read_after=READ_AFTER,
        passes=_table(SentPass(arch)),
        map_rows=_table(MapRow),
        rows=_table(RowDescriptor),
        scales=_table(ChannelScale),
    )


def system_note(arch: Arch, name: str) -> str:
    """What a user of a whole machine's Verilog must know, Markdown.

    Args:
        arch: the machine.
        name: of the top module.
    """
    return _SYSTEM_NOTE.format(
        name=name,
        cores=arch.cores,
        columns=arch.columns,
        registers=register_table(),
        errors=error_table(),
    )


def _table(shape: ShapeLike) -> str:
    """Bits and fields of a layout, nested ones by their path."""
    rows = [f"| {low + width - 1}:{low} | {name} |" for name, low, width in _fields(shape, "", 0)]
    return "\n".join(["| bits | field |", "|---|---|", *rows])


def _fields(shape: ShapeLike, prefix: str, offset: int) -> list[tuple[str, int, int]]:
    found = []
    for name, field in data.Layout.cast(shape):
        path = f"{prefix}.{name}" if prefix else name
        if isinstance(field.shape, int) or not _is_layout(field.shape):
            found.append((path, offset + field.offset, field.width))
        else:
            found += _fields(field.shape, path, offset + field.offset)
    return found


def _is_layout(shape: ShapeLike) -> bool:
    return isinstance(shape, data.Layout) or (isinstance(shape, type) and issubclass(shape, data.Struct))
