"""What an integrator gets beside the Verilog of a machine: notes, a FuseSoC core file, benches."""
