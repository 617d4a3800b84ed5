"""Topologies of SCALE-Sim: one NetworkError, or a network that is written and read back."""

import tempfile
from pathlib import Path
from random import Random

from fuzz import damage, refused
from hwsim.errors import NetworkError
from hwsim.networks.scalesim import read_topology, write_topology

GOOD = (
    "Layer name, IFMAP Height, IFMAP Width, Filter Height, Filter Width, Channels, Num Filter, Strides,\n"
    "conv1, 32, 32, 5, 5, 1, 6, 1,\nconv2_DP, 14, 14, 3, 3, 6, 1, 2,\nfc, 1, 1, 1, 1, 216, 10, 1,\n",
    "Layer, M, N, K,\ng0, 4, 8, 16,\ng1, 1, 10, 8,\n",
    "name,h,w,r,s,c,m,stride,stride w,sparsity,batch,dilation,groups\na,9,9,3,3,4,8,2,1,1:1,1,1,2\n",
    "conv1\t8\t8\t3\t3\t3\t4\t1\n",
)
CELLS = (
    *("", "0", "-1", "1.0", "1e3", "nan", "inf", "2:4", "1:1", "0x10", "+3", "\u0661", "=1+1", '"', '"a,b"'),
    *("2147483648", "9223372036854775808", "65535", "Layer", "M", "DP", "batch", "\x1b[31m", "é" * 50, " 7 "),
    *("9" * 150, "9" * 5000),
)


def make(random: Random) -> bytes:
    """A topology with cells, rows or bytes changed."""
    rows = [line.split(",") for line in random.choice(GOOD).splitlines()]
    for _ in range(random.choice((1, 1, 2, 6))):
        row = random.choice(rows)
        at = random.randrange(len(row)) if row else 0
        kind = random.randrange(7)
        if kind < 3 and row:
            row[at] = random.choice((*CELLS, str(random.choice(damage.EDGES)), str(random.randrange(1, 300))))
        elif kind == 3:
            row.insert(at, random.choice(CELLS))
        elif kind == 4 and row:
            del row[at]
        elif kind == 5:
            rows.extend([list(row)] * random.choice((1, 3, 300)))
        elif len(rows) > 1:
            rows.remove(row)
    separator = random.choice((",", ",", ",", "\t", ";", ", "))
    data = "\n".join(separator.join(row) for row in rows).encode()
    return random.choice((damage.bits, damage.length))(random, data) if random.randrange(4) == 0 else data


def check(data: bytes) -> bool:
    """Read it, and what is written of it."""
    with tempfile.TemporaryDirectory() as made:
        path, again = Path(made) / "t.csv", Path(made) / "again.csv"
        path.write_bytes(data)
        try:
            network = read_topology(path)
            write_topology(network, again)
        except NetworkError as error:
            return refused(error)
        found = read_topology(again)
        assert [layer.out_shape for layer in found.layers] == [layer.out_shape for layer in network.layers]
        return True


KNOWN: dict = {}
