"""Damaged folders of sweeps: the rows of the undamaged one, computed again if need be, or one SweepError."""

import io
import tempfile
import zipfile
from functools import cache
from pathlib import Path
from random import Random

from fuzz import damage, refused
from hwsim.errors import SweepError
from hwsim.sweep.store import JOINED, Store, read_joined, read_table

IDENTITY = {"space": {"space": {"cores": [1, 2]}}, "traces": [{"path": "a", "digest": "0"}]}
TASKS = 3
JUNK = (b"", b"{}", b"[]", b"[" * 50_000, b"null", b"\xff", b'{"schema": 3}', b"PAR1PAR1")


def fill(folder: Path, identity: dict = IDENTITY, factor: int = 1) -> tuple[object, list[str]]:
    """Compute what is not there, as a sweep does: all rows, and what was told."""
    told: list[str] = []
    store = Store(folder, identity, resume=True, tell=told.append)
    for number in range(TASKS):
        if not store.done(number):
            points = [{"point": 2 * number + k, "cycles": 1.5 * factor * (number + k)} for k in range(2)]
            store.put(number, points, [{**row, "layer": "a"} for row in points])
    store.join(range(TASKS))
    return [read_table((folder / name).read_bytes()).to_pylist() for name in JOINED], told


@cache
def _good(factor: int = 1) -> tuple[tuple[str, bytes], ...]:
    with tempfile.TemporaryDirectory() as made:
        fill(Path(made), IDENTITY if factor == 1 else {**IDENTITY, "factor": factor}, factor)
        files = sorted(path for path in Path(made).rglob("*") if path.is_file())
        return tuple((path.relative_to(made).as_posix(), path.read_bytes()) for path in files)


def make(random: Random) -> bytes:
    """The files of a sweep, some of them damaged, missing, or those of another task or sweep."""
    files, other = dict(_good()), dict(_good(2))
    for _ in range(random.choice((1, 1, 2, 4))):
        name, source = random.choice(sorted(other)), random.choice(sorted(other))
        data = files.pop(name, b"")
        kind = random.randrange(7)
        if kind < 2:
            files[name] = damage.bits(random, data)
        elif kind == 2:
            files[name] = damage.length(random, data)
        elif kind == 3:
            files[name] = files.get(source, b"")
        elif kind == 4:
            files[name] = other[source]
        elif kind == 5:
            files[name] = random.choice(JUNK)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def check(data: bytes) -> bool:
    """Read what is joined, go on, and read again."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made) / "sweep"
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            archive.extractall(folder)
        good = dict(_good())
        try:
            assert read_joined(folder) == good[JOINED[0]], "other numbers"
        except (SweepError, FileNotFoundError) as error:
            refused(error)
        try:
            rows, told = fill(folder)
        except SweepError as error:  # a manifest of another version or sweep is left alone
            assert "holds a sweep of another" in f"{error}"  # noqa: PT017
            return refused(error)
        assert all(line.isprintable() and "damaged" in line for line in told)
        assert rows == _rows(), "other numbers"
        assert read_joined(folder) == good[JOINED[0]]
        return True


@cache
def _rows() -> object:
    with tempfile.TemporaryDirectory() as made:
        return fill(Path(made))[0]


KNOWN: dict = {}
