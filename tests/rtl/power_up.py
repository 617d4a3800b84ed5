"""A machine in Verilog as it may be before its reset: registers, memories and inputs that hold anything."""

from __future__ import annotations

import re
from collections.abc import Callable

RESET_AT = 2  # the one edge of the clock at which reset is high

_MODULE = re.compile(r"^module .*?^endmodule$", re.MULTILINE | re.DOTALL)
_REGISTER = re.compile(r"^(  reg (?:\[\d+:0\] )?\S+ ?) = (\d+)'h[0-9a-f]+;$", re.MULTILINE)
_READ = re.compile(r"^(  reg \[(\d+):0\] _\d+_);$", re.MULTILINE)  # what a memory's port has read
_WORD = re.compile(r"^(    (\S+)\[\d+\] = )(\d+)'h[0-9a-f]+;$", re.MULTILINE)
_PORT = re.compile(r"^  (input|output) (?:\[(\d+):0\] )?(\w+);$", re.MULTILINE)

Unknown = Callable[[int], str]  # so many bits, as Verilog has them


def powered_up(text: str, name: str, unknown: Unknown) -> str:
    """The machine with a module of its name around it, which resets it for one cycle, and lets nobody else.

    Registers, memories that are written, what their ports have read, and until the reset the inputs, are
    ``unknown``: a text of Verilog for a number of bits. A table that nobody writes stays what it is.
    """
    registers = words = 0

    def anything(module: re.Match[str]) -> str:
        nonlocal registers, words
        written = set(re.findall(r"^ +(\w+)\[.*\]? <= ", module[0], re.MULTILINE))

        def word(found: re.Match[str]) -> str:
            nonlocal words
            words += found[2] in written
            return f"{found[1]}{unknown(int(found[3]))};" if found[2] in written else found[0]

        text, many = _REGISTER.subn(lambda found: f"{found[1]} = {unknown(int(found[2]))};", module[0])
        registers += many
        text = _READ.sub(lambda found: f"{found[1]} = {unknown(int(found[2]) + 1)};", text)
        return _WORD.sub(word, text)

    text = _MODULE.sub(anything, text)
    assert registers > 500
    assert words > 1000
    ports = _PORT.findall(text[text.index(f"module {name}(") :].split("endmodule")[0])
    inner = {port: port for _, _, port in ports}
    for way, high, port in ports:
        if way == "input" and port not in ("clk", "rst"):
            inner[port] = f"edges > {RESET_AT} ? {port} : {unknown(int(high or 0) + 1)}"
    inner["rst"] = f"edges == {RESET_AT}"
    outer = [
        f"module {name}({', '.join(inner)});",
        *(f"{way} [{high or 0}:0] {port};" for way, high, port in ports),
        "reg [2:0] edges = 0;",
        f"always @(posedge clk) if (edges <= {RESET_AT}) edges <= edges + 1;",
        f"inner machine({', '.join(f'.{port}({value})' for port, value in inner.items())});",
        "endmodule",
    ]
    return "\n".join([text.replace(f"module {name}(", "module inner("), *outer])
