"""A bench of a whole machine that checks itself: in plain Verilog, and for cocotb."""

from __future__ import annotations

from pathlib import Path

from hwsim.arch import BEAT_BYTES
from hwsim.registers import IDENTITY, REGISTERS

PATIENCE = 10  # a run is given up after so many times the cycles of the model
PATIENCE_CYCLES = 10_000  # and these

_BENCH = """\
// Made by hwsim_rtl.kit.system_bench: runs the memory image of image.hex on {name} and compares memory with
// expected.hex where bits of mask.hex are 1; each has a line for each beat of 32 bytes, the last byte first.
// Says PASS, or FAIL and what is wrong, and ends with an error then.
// With Icarus: iverilog -g2005 -o run {name}_tb.v {name}.v && vvp run
// With Verilator: verilator --binary --timing -Wno-lint {name}_tb.v {name}.v && obj_dir/V{name}_tb
`timescale 1ns / 1ps
module {name}_tb;
  parameter BEATS = {beats};
  parameter [39:0] AT = 40'h{at:x};  // of the image on the bus
  parameter STALLS = 1;  // 0: memory is always ready
  parameter PATIENCE = {patience};  // cycles: ten times those of the model, and 10,000

  reg clk = 0, rst = 1;
  always #5 clk = ~clk;

  reg [255:0] memory [0:BEATS-1];
  reg [255:0] expected [0:BEATS-1];
  reg [255:0] mask [0:BEATS-1];
  integer failures = 0;

  // Memory moves in this cycle: pseudo-random, 3 of 4 cycles.
  reg [15:0] noise = 16'hace1;
  always @(posedge clk) noise <= {{noise[14:0], noise[15] ^ noise[13] ^ noise[12] ^ noise[10]}};
  wire goes = STALLS == 0 || noise[1:0] != 0;

  wire [39:0] awaddr, araddr;
  wire [7:0] awlen, arlen;
  wire awvalid, wvalid, wlast, bready, arvalid, rready, irq;
  wire [255:0] wdata;
  wire [31:0] wstrb;
  reg bvalid = 0, rvalid = 0, rlast = 0;
  reg [255:0] rdata = 0;

  // Reads: a burst at a time.
  reg [34:0] read_at = 0;
  reg [8:0] read_left = 0;
  wire arready = read_left == 0;
  wire [34:0] read_first = (araddr - AT) >> 5;
  always @(posedge clk)
    if (rst) begin
      read_left <= 0;
      rvalid <= 0;
    end else begin
      if (arvalid && arready) begin
        read_at <= read_first;
        read_left <= arlen + 1;
        check(read_first, arlen);
      end
      if (!rvalid || rready) begin
        rvalid <= read_left != 0 && goes;
        if (read_left != 0 && goes) begin
          rdata <= memory[read_at];
          rlast <= read_left == 1;
          read_at <= read_at + 1;
          read_left <= read_left - 1;
        end
      end
    end

  // Writes: a burst at a time.
  reg [34:0] write_at = 0;
  reg [8:0] write_left = 0;
  wire awready = write_left == 0 && !bvalid;
  wire wready = write_left != 0 && goes;
  wire [34:0] write_first = (awaddr - AT) >> 5;
  integer lane;
  always @(posedge clk)
    if (rst) begin
      write_left <= 0;
      bvalid <= 0;
    end else begin
      if (awvalid && awready) begin
        write_at <= write_first;
        write_left <= awlen + 1;
        check(write_first, awlen);
      end
      if (wvalid && wready) begin
        for (lane = 0; lane < 32; lane = lane + 1)
          if (wstrb[lane]) memory[write_at][8 * lane +: 8] <= wdata[8 * lane +: 8];
        if (wlast != (write_left == 1)) fail("wlast does not end its burst");
        write_at <= write_at + 1;
        write_left <= write_left - 1;
        bvalid <= write_left == 1;
      end else if (bready) bvalid <= 0;
    end

  task check(input [34:0] first, input [7:0] length);
    begin
      if (first + length >= BEATS) fail("a burst beyond memory");
      if (((AT >> 5) + first) % 128 + length >= 128) fail("a burst across 4,096 bytes");
    end
  endtask

  task fail(input [639:0] why);
    begin
      failures = failures + 1;
      $display("FAIL: %0s", why);
    end
  endtask

  // Registers.
  reg [11:0] s_addr = 0;
  reg [31:0] s_data = 0;
  reg s_awvalid = 0, s_wvalid = 0, s_arvalid = 0;
  wire s_awready, s_wready, s_bvalid, s_arready, s_rvalid;
  wire [1:0] s_bresp, s_rresp;
  wire [31:0] s_rdata;

  // Inputs change at the falling edge, and what is ready a moment later is ready at the rising one.
  reg aw_goes, w_goes, ar_goes;
  task write_register(input [11:0] address, input [31:0] written);
    begin
      @(negedge clk);
      s_addr = address;
      s_data = written;
      s_awvalid = 1;
      s_wvalid = 1;
      while (s_awvalid || s_wvalid) begin
        #1 aw_goes = s_awvalid && s_awready;
        w_goes = s_wvalid && s_wready;
        @(negedge clk);
        if (aw_goes) s_awvalid = 0;
        if (w_goes) s_wvalid = 0;
      end
      while (!s_bvalid) @(negedge clk);
      if (s_bresp != 0) fail("a register was not written");
    end
  endtask

  reg [31:0] value;
  task read_register(input [11:0] address);
    begin
      @(negedge clk);
      s_addr = address;
      s_arvalid = 1;
      while (s_arvalid) begin
        #1 ar_goes = s_arready;
        @(negedge clk);
        if (ar_goes) s_arvalid = 0;
      end
      while (!s_rvalid) @(negedge clk);
      value = s_rdata;
      if (s_rresp != 0) fail("a register was not read");
    end
  endtask

  {name} machine (
    .clk(clk), .rst(rst), .irq(irq),
    .m_axi_awaddr(awaddr), .m_axi_awlen(awlen), .m_axi_awvalid(awvalid), .m_axi_awready(awready),
    .m_axi_wdata(wdata), .m_axi_wstrb(wstrb), .m_axi_wlast(wlast),
    .m_axi_wvalid(wvalid), .m_axi_wready(wready),
    .m_axi_bid(1'b0), .m_axi_bresp(2'b0), .m_axi_bvalid(bvalid), .m_axi_bready(bready),
    .m_axi_araddr(araddr), .m_axi_arlen(arlen), .m_axi_arvalid(arvalid), .m_axi_arready(arready),
    .m_axi_rid(1'b0), .m_axi_rdata(rdata), .m_axi_rresp(2'b0), .m_axi_rlast(rlast),
    .m_axi_rvalid(rvalid), .m_axi_rready(rready),
    .s_axi_awaddr(s_addr), .s_axi_awprot(3'b0), .s_axi_awvalid(s_awvalid), .s_axi_awready(s_awready),
    .s_axi_wdata(s_data), .s_axi_wstrb(4'b1111), .s_axi_wvalid(s_wvalid), .s_axi_wready(s_wready),
    .s_axi_bresp(s_bresp), .s_axi_bvalid(s_bvalid), .s_axi_bready(1'b1),
    .s_axi_araddr(s_addr), .s_axi_arprot(3'b0), .s_axi_arvalid(s_arvalid), .s_axi_arready(s_arready),
    .s_axi_rdata(s_rdata), .s_axi_rresp(s_rresp), .s_axi_rvalid(s_rvalid), .s_axi_rready(1'b1)
  );

  integer beat, cycles = 0;
  initial begin
    $readmemh("image.hex", memory);
    $readmemh("expected.hex", expected);
    $readmemh("mask.hex", mask);
    repeat (4) @(posedge clk);
    @(negedge clk) rst = 0;
    read_register(12'h{identity:03x});
    if (value != 32'h{known:08x}) fail("this is no hwsim machine");
    write_register(12'h{image_low:03x}, AT[31:0]);
    write_register(12'h{image_high:03x}, {{24'b0, AT[39:32]}});
    write_register(12'h{length_low:03x}, BEATS * 32);
    write_register(12'h{interrupt_enable:03x}, 1);
    write_register(12'h{control:03x}, 1);
    while (!irq && cycles < PATIENCE) begin
      @(posedge clk);
      cycles = cycles + 1;
    end
    if (!irq) fail("the machine does not end");
    write_register(12'h{interrupt_pending:03x}, 1);
    if (irq) fail("the interrupt was not taken back");
    read_register(12'h{status:03x});
    if (value[15:8] != 0) fail("the machine says that something is wrong");
    if (!value[1]) fail("the machine does not say that it is done");
    for (beat = 0; beat < BEATS; beat = beat + 1)
      if (((memory[beat] ^ expected[beat]) & mask[beat]) !== 256'b0) begin
        if (failures < 10) $display("beat %0d: %h, not %h", beat, memory[beat], expected[beat]);
        failures = failures + 1;
      end
    read_register(12'h{cycles_low:03x});
    if (failures != 0) $fatal(1, "FAIL: %0d failures", failures);
    $display("PASS: %0d cycles", value);
    $finish;
  end
endmodule
"""


def system_bench(
    name: str, image: bytes, expected: bytes, mask: bytes, cycles: int, at: int = 1 << 31
) -> dict[str, bytes]:
    """The bench of a machine, and what it needs beside it.

    Args:
        name: of the machine's module.
        image: the file of a memory image.
        expected: all memory after the run, in whole beats, from the image's first byte on.
        mask: of these, 255 for a byte that is compared and 0 for one that is not.
        cycles: of the run, by the model.
        at: the image's address on the bus, a multiple of 32.

    Returns:
        By their names the contents of ``<name>_tb.v``, ``image.bin``, ``image.hex``, ``expected.hex``,
        ``mask.hex``, ``hwsim_system_cocotb.py`` and ``cocotb.mk``.
    """
    numbers = {register: one.address for register, one in REGISTERS.items()}
    beats = len(expected) // BEAT_BYTES
    patience = PATIENCE * cycles + PATIENCE_CYCLES
    text = _BENCH.format(name=name, beats=beats, at=at, patience=patience, known=IDENTITY, **numbers)
    here = Path(__file__).parent
    return {
        f"{name}_tb.v": text.encode(),
        "image.bin": image,
        "image.hex": _hex(image.ljust(len(expected), b"\0")),
        "expected.hex": _hex(expected),
        "mask.hex": _hex(mask),
        "hwsim_system_cocotb.py": (here / "cocotb_bench.py").read_bytes(),
        "cocotb.mk": (here / "cocotb.mk").read_text(encoding="utf-8").format(patience=patience).encode(),
    }


def _hex(data: bytes) -> bytes:
    """Whole beats for Verilog's ``$readmemh``."""
    lines = (data[at : at + BEAT_BYTES][::-1].hex() for at in range(0, len(data), BEAT_BYTES))
    return "".join(f"{line}\n" for line in lines).encode()
