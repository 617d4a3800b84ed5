"""Cut the generated simulation into functions that a compiler can digest.

CXXRTL writes one function, ``eval``, for the whole design. Compilers take time that grows faster than its
length (a core of 16 lanes: many minutes), so it is cut into pieces of some statements each. Its local
variables, which are all written before they are read, move to the file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import chain

PIECE = 60  # statements
# CXXRTL queues a write in every cycle, with an empty mask if the port is off; most ports are, most of the
# time.
_WRITE_IF = """template<size_t Bits>
static inline void write_if(cxxrtl::memory<Bits>& memory, size_t index, const cxxrtl::value<Bits>& value,
                            const cxxrtl::value<Bits>& mask, int priority) {
\tif (!mask.is_zero()) memory.update(index, value, mask, priority);
}

"""
_WRITE = re.compile(r"\b(memory_\w+)\.update\(")
# CXXRTL copies a register only if it changes, which no branch predictor foresees: to copy is cheaper.
_COMMIT = re.compile(r"if \(((?!memory_)\w+)\.commit\(observer\)\) changed = true;")
_LOCAL = re.compile(r"\tvalue<\d+> \w+;")


def split_eval(text: str, design: str) -> str:
    """The C++ that CXXRTL wrote for ``design``: ``eval`` in pieces, ``commit`` without branches.

    What ``commit`` returns means nothing then.
    """
    head = f"bool {design}::eval(performer *performer) {{\n"
    before, rest = text.split(head)
    body, after = rest.split("\n}\n", 1)
    lines = [line for line in body.split("\n") if not line.lstrip().startswith("//")]
    assert lines[0] == "\tbool converged = true;"
    assert lines[-1] == "\treturn converged;"
    assert "converged" not in "".join(lines[2:-1]), "the design has a combinational loop"
    variables = [line for line in lines[2:-1] if _LOCAL.fullmatch(line)]
    statements = list(
        _statements(
            [_WRITE.sub(r"write_if(\1, ", line) for line in lines[2:-1] if not _LOCAL.fullmatch(line)]
        )
    )
    pieces = [statements[i : i + PIECE] for i in range(0, len(statements), PIECE)]
    names = [f"eval_{i}(bool posedge_p_clk, performer *performer)" for i in range(len(pieces))]

    struct = f"struct {design} : public module {{\n"
    declared = "".join(f"\tvoid {name};\n" for name in names)
    functions = "".join(
        f"__attribute__((noinline)) void {design}::{name} {{\n"
        + "\n".join(chain.from_iterable(piece))
        + "\n}\n\n"
        for name, piece in zip(names, pieces, strict=True)
    )
    calls = "".join(f"\teval_{i}(posedge_p_clk, performer);\n" for i in range(len(pieces)))
    return (
        _COMMIT.sub(r"\1.curr = \1.next;", before.replace(struct, struct + declared))
        + "".join(f"static {variable.strip()}\n" for variable in variables)
        + _WRITE_IF
        + functions
        + head
        + f"{lines[1]}\n{calls}\treturn true;\n}}\n"
        + after
    )


def _statements(lines: Sequence[str]) -> Iterator[list[str]]:
    """Lines of each statement of a body: one line, or a block up to the brace of its depth.

    A read of a memory is one: its index, an assertion, and the block that uses them.
    """
    block: list[str] = []
    for line in lines:
        block.append(line)
        simple = line.endswith(";") and not line.startswith(("\tauto ", "\tCXXRTL_ASSERT"))
        if line == "\t}" or (len(block) == 1 and simple):
            yield block
            block = []
