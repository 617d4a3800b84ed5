"""Bench of Sequencer: from the words of programs to what each core is given, as the model has it."""

import random

import cocotb
from amaranth.lib import data
from bench_pass import Raw
from cocotb.triggers import RisingEdge, Timer
from program_cases import network_cases
from streams import Coverage, StreamPort, bench_case, now, random_stalls, start_clock

from hwsim.arch import Arch
from hwsim_rtl.core.payloads import MapRow, RowDescriptor
from hwsim_rtl.system.payloads import OutRow, SequencedPass


def differences(found: int, expected: int, layout) -> dict:
    """The fields of a configuration that differ, with what was found and what was expected."""
    views = [dict(_leaves(layout, bits)) for bits in (found, expected)]
    return {name: (value, views[1][name]) for name, value in views[0].items() if value != views[1][name]}


def _leaves(layout, bits: int, path: str = ""):
    for name, field in layout:
        value = bits >> field.offset & (1 << field.width) - 1
        if isinstance(field.shape, type | data.Layout):
            yield from _leaves(data.Layout.cast(field.shape), value, f"{path}{name}.")
        else:
            yield f"{path}{name}", value


@cocotb.test(timeout_time=20, timeout_unit="ms")
async def every_core_is_given_what_the_model_gives_it(dut):
    case = bench_case()
    arch = Arch(**case["arch"])
    names = {"passes": Raw(SequencedPass(arch)), "map_rows": MapRow, "rows": Raw(RowDescriptor)}
    names["out_rows"] = OutRow
    outputs = [f"{name}__{core}__ready" for name in names for core in range(arch.cores)]
    await start_clock(dut, "words__valid", *outputs)
    words = StreamPort(dut, "words", Raw(data.ArrayLayout(64, 1)))
    coverage = Coverage()
    for network in network_cases(arch, random.getrandbits(32), case["networks"]):
        begin = now()
        cocotb.start_soon(
            words.put(({"bits": word} for word in network.words), random_stalls(case["stalls"]))
        )
        await RisingEdge(dut.clk)
        await RisingEdge(dut.clk)
        tasks = []
        for number, core in enumerate(network.cores):
            for name, layout in names.items():
                port = StreamPort(dut, f"{name}__{number}", layout)
                stalls = random_stalls(case["stalls"], 40)
                tasks.append((name, number, cocotb.start_soon(port.get(len(getattr(core, name)), stalls))))
        for name, number, task in tasks:
            taken, expected = [payload for _, payload in await task], getattr(network.cores[number], name)
            if name not in ("map_rows", "out_rows"):
                taken = [payload["bits"] for payload in taken]
            if name == "passes":
                for found, wanted in zip(taken, expected, strict=True):
                    layout = SequencedPass(arch)
                    assert not differences(found, wanted, layout), (number, network.kinds)
            assert taken == expected, (name, number, network.kinds)
        for _ in range(200):  # and nothing more
            await RisingEdge(dut.clk)
            await Timer(2, "ns")
            for number in range(arch.cores):
                assert not any(int(getattr(dut, f"{name}__{number}__valid").value) for name in names)
        await RisingEdge(dut.clk)
        dut._log.info("%d words in %d cycles", len(network.words), now() - begin)
        for kind, transposed, dilated, groups, less, clamped in network.kinds:
            coverage.hit("clamped", clamped)
            coverage.hit("kind", kind)
            coverage.hit("transposed", transposed)
            coverage.hit("dilated", dilated)
            coverage.hit("groups", groups and kind == "conv")
            coverage.hit("a unit reads less", less)
            coverage.hit("cores", sum(bool(core.passes) for core in network.cores))
    coverage.require("kind", ["conv", "depthwise", "linear"])
    for name in ("transposed", "dilated", "groups", "a unit reads less", "clamped"):
        coverage.require(name, [True, False])
    coverage.require("cores", range(1, arch.cores + 1))
