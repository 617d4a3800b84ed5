// A host on the bus of a system of LiteX: it loads the image of docs/integration.md, and runs it.
`timescale 1ns / 1ps
module hosted_tb;
  localparam MEMORY = 32'h40000000, REGISTERS = 32'h90000000, WORDS = 3123, RESULT = 192 + 16384;
  reg [31:0] image [0:WORDS-1];
  reg clk = 0, rst = 1;
  always #5 clk = ~clk;

  reg awvalid = 0, wvalid = 0, arvalid = 0;
  reg [31:0] addr = 0, data = 0, value;
  wire awready, wready, bvalid, arready, rvalid;
  wire [1:0] bresp, rresp;
  wire [31:0] rdata;
  hosted system (
    .clk(clk), .rst(rst), .serial_rx(1'b1),
    .host_awaddr(addr), .host_awprot(3'b0), .host_awvalid(awvalid), .host_awready(awready),
    .host_wdata(data), .host_wstrb(4'b1111), .host_wvalid(wvalid), .host_wready(wready),
    .host_bresp(bresp), .host_bvalid(bvalid), .host_bready(1'b1),
    .host_araddr(addr), .host_arprot(3'b0), .host_arvalid(arvalid), .host_arready(arready),
    .host_rdata(rdata), .host_rresp(rresp), .host_rvalid(rvalid), .host_rready(1'b1)
  );

  integer failures = 0, word, tries = 0;
  reg aw_goes, w_goes, ar_goes;
  task write(input [31:0] at, input [31:0] written);
    begin
      @(negedge clk);
      addr = at;
      data = written;
      awvalid = 1;
      wvalid = 1;
      while (awvalid || wvalid) begin
        #1 aw_goes = awvalid && awready;
        w_goes = wvalid && wready;
        @(negedge clk);
        if (aw_goes) awvalid = 0;
        if (w_goes) wvalid = 0;
      end
      while (!bvalid) @(negedge clk);
      if (bresp != 0) failures = failures + 1;
      @(negedge clk);
    end
  endtask

  task read(input [31:0] at);
    begin
      @(negedge clk);
      addr = at;
      arvalid = 1;
      while (arvalid) begin
        #1 ar_goes = arready;
        @(negedge clk);
        if (ar_goes) arvalid = 0;
      end
      while (!rvalid) @(negedge clk);
      value = rdata;
      if (rresp != 0) failures = failures + 1;
      @(negedge clk);
    end
  endtask

  initial begin
    #1000000 $fatal(1, "FAIL: no end");
  end

  initial begin
    repeat (4) @(negedge clk);
    rst = 0;
    read(REGISTERS);
    if (value != 32'h4d535748) $fatal(1, "FAIL: %h is no hwsim machine", value);
    $readmemh("words.hex", image);
    for (word = 0; word < WORDS; word = word + 1) if (image[word] != 0) write(MEMORY + 4 * word, image[word]);
    write(REGISTERS + 32'h30, MEMORY);
    write(REGISTERS + 32'h38, 16640);
    write(REGISTERS + 32'h20, 1);
    value = 0;
    while (!value[1] && tries < 2000) begin
      read(REGISTERS + 32'h24);
      tries = tries + 1;
    end
    if (value != 2) $fatal(1, "FAIL: its status is %h", value);
    read(MEMORY + RESULT);
    if (value != 32'h3c004035) failures = failures + 1;
    read(MEMORY + RESULT + 32);
    if (value != 32'h420d4933) failures = failures + 1;
    if (failures != 0) $fatal(1, "FAIL: %0d failures", failures);
    $display("PASS: the image of docs/integration.md");
    $finish;
  end
endmodule
