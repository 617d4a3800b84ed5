# Runs hwsim_system_cocotb.py: make -f cocotb.mk, with cocotb and cocotbext-axi in the Python on the path.
SIM ?= icarus
TOPLEVEL_LANG := verilog
VERILOG_SOURCES := hwsim_system.v
COCOTB_TOPLEVEL := hwsim_system
COCOTB_TEST_MODULES := hwsim_system_cocotb
# Cycles without stalls after which a run is given up: ten times those of the model, and 10,000.
export HWSIM_PATIENCE ?= {patience}
include $(shell cocotb-config --makefiles)/Makefile.sim
