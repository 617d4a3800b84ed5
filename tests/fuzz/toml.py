"""Machine and space files: one ArchError or SweepError, or a machine that is written and read back."""

import math
import tempfile
from pathlib import Path
from random import Random

from fuzz import damage, refused
from hwsim.arch import EVENTS, Arch
from hwsim.errors import ArchError, SweepError
from hwsim.sweep.space import Search, Space

FIELDS = tuple(Arch.model_fields)
MACHINE = Arch(energy=dict.fromkeys(sorted(EVENTS)[:3], 1.5)).to_toml()
SPACES = (
    "[machine]\ncolumns = 8\n[space]\ncores = [1, 2]\ndram_latency = {low = 16, high = 64, steps = 3}\n"
    "[constraints]\ncycles = {max = 1e6}\n",
    '[space]\nmap_buffer = {low = 1, high = 1e6, scale = "log"}\ncores = {low = 1, high = 64}\n'
    '[search]\nmethod = "latin"\npoints = 9\nseed = 3\n',
    '[space]\nrow_split = ["balanced", "best"]\nclock_mhz = {low = 50.0, high = 500.0}\n'
    '[search]\nmethod = "pareto"\npoints = 8\npopulation = 4\nobjectives = ["cycles", "luts"]\n',
)
VALUES = (
    *("nan", "-inf", "inf", "-1", "0", "1", "16", "4.0", "1e308", "5e-324", "true", "'16'", '""', "[]", "{}"),
    *("[1, 2]", "[[1]]", "{a = 1}", "{low = 1, high = 2}", "{low = 1, high = 1e300, scale = 'log'}"),
    *("{low = 1, high = 100000000, steps = 10000}", "{low = 1, high = 2, steps = 100000000}"),
    *("2020-01-01", "07:32:00", "0x7fffffffffffffff", "9223372036854775808", "9" * 5000, "0x" + "f" * 4000),
    *("[" * 500, "{a = " * 500, "[" * 30_000, "'''", '"\\ud800"', '"\\u0000"', "[" + "1, " * 20_000 + "]"),
    *('["balanced"]', '"best"', "[true]", "-0.0", "1_000", "+5", "01", ".5", "1e99999", "'''a\nb'''"),
)
NAMES = (
    *(*FIELDS, *Search.model_fields, *EVENTS, "self", "fields", "__class__", "model_config", "low", "steps"),
    *('""', "'\x1b'", '"a\\nb"', "a.b.c", ".".join("a" * 90), ".".join("a" * 500), "x" * 4000, "é", "=", "["),
)
TABLES = (
    *("[machine]", "[space]", "[search]", "[constraints]", "[energy]", "[[space]]", "[a.b]", "[]"),
    "[x",
)


def make(random: Random) -> bytes:
    """A machine or a space with some lines or bytes changed; its first byte says which it is read as."""
    kind = random.randrange(2)
    lines = (random.choice(SPACES) if kind else MACHINE).splitlines()
    for _ in range(random.choice((0, 1, 1, 1, 2, 5))):
        at = random.randrange(len(lines)) if lines else 0
        name = random.choice(NAMES)
        known = lines[at].partition("=")[0].strip() if lines else name
        line = random.choice(
            (
                f"{known} = {random.choice((1, 2, 4, 8, 32, 100, 4096))}",
                f"{known} = {random.choice(VALUES)}",
                f"{known} = {random.choice(damage.EDGES + damage.FAR)}",
                f"{name} = {random.choice(VALUES)}",
                random.choice(TABLES),
                random.choice(lines) if lines else "",
            )
        )
        lines[at : at + random.choice((0, 1, 1, 1))] = [line] * random.choice((1, 1, 1, 1, 2, 3000))
    data = "\n".join(lines).encode("utf-8", "surrogatepass")
    if random.randrange(4) == 0:
        data = random.choice((damage.bits, damage.length))(random, data)
    if random.randrange(30) == 0:
        data = random.choice((b"\xef\xbb\xbf", b"\xff\xfe", b"\0", b" " * 70_000)) + data
    return bytes([kind]) + data


def check(data: bytes) -> bool:
    """Read it as a machine or as a space."""
    with tempfile.TemporaryDirectory() as made:
        path = Path(made) / "x.toml"
        path.write_bytes(data[1:])
        try:
            _space(path) if data[:1] == b"\1" else _machine(path)
        except (ArchError, SweepError) as error:
            assert "Value error" not in f"{error}"  # noqa: PT017
            return refused(error)
        return True


def _machine(path: Path) -> None:
    arch = Arch.from_toml(path)
    for name, value in arch:
        assert not isinstance(value, float) or math.isfinite(value), name
    again = path.with_name("again.toml")
    again.write_text(arch.to_toml())
    assert Arch.from_toml(again) == arch


def _space(path: Path) -> None:
    space = Space.from_toml(path)
    points = space.points() if space.search.method == "grid" and len(space.space) < 3 else []
    for point in points[:20]:
        try:
            space.arch(point)
        except ArchError:  # fields that do not go together: the row of the point says so
            continue
    for name in space.space:
        for position in (0.0, 0.5, math.nextafter(1, 0)):
            space.pick(name, position)


KNOWN: dict = {}
