"""Results of a sweep on disk: parts that are there whole or not at all, joined into two Parquet files.

DIR/sweep.json            what is swept: a resumed sweep must be the same
DIR/parts/000012.parquet  rows of points of task 12, with those of its layers in 000012.layers.parquet
DIR/parts/000012.json     SHA-256 of both, written last
DIR/points.parquet        one row a point and trace       (when all parts are there)
DIR/layers.parquet        one row a point, trace and layer
DIR/joined.json           SHA-256 of both, written last

A checksum is of what is swept, the file's name and its bytes, so that a part of another task or of another
sweep is not taken for this one. A part whose checksum differs is set aside as NAME.damaged, and made again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hwsim.errors import SweepError
from hwsim.files import plain_file, read_text, whole_file
from hwsim.sweep.evaluate import Row

if TYPE_CHECKING:
    import pyarrow as pa

SCHEMA = 2
JOINED = ("points.parquet", "layers.parquet")
MANIFEST, SEAL = "sweep.json", "joined.json"
_DIGEST = 64  # characters
_SEAL_BYTES = 1 << 12


class Store:
    """The folder of a sweep.

    Args:
        folder: made if it is not there.
        identity: JSON-able; what the results depend on.
        resume: go on with what is there; otherwise the folder must not hold a sweep.
        tell: called with a line about everything that is damaged and set aside.

    Raises:
        SweepError: it holds another sweep, or one and ``resume`` is not given; it cannot be written; or
            there is no pyarrow.
    """

    def __init__(
        self,
        folder: str | Path,
        identity: dict[str, Any],
        resume: bool,
        tell: Callable[[str], None] = lambda line: None,
    ) -> None:
        if find_spec("pyarrow") is None:
            raise SweepError("results of sweeps are Parquet: pip install 'hwsim[dse]'")
        self.folder = Path(folder)
        self._parts, self._tell = self.folder / "parts", tell
        manifest = self.folder / MANIFEST
        self._manifest = _signed({"schema": SCHEMA, **identity})
        try:
            self._parts.mkdir(parents=True, exist_ok=True)
            if manifest.exists() and not resume:
                raise SweepError(f"{folder} holds a sweep: add --resume to go on, or name another folder")
            if manifest.exists() and _is_damaged(manifest):
                self._set_aside([manifest])
            if not manifest.exists():
                _write(manifest, self._manifest)
            elif plain_file(manifest).read_bytes() != self._manifest.encode():
                raise SweepError(
                    f"{folder} holds a sweep of another space, other traces or another version: "
                    "name another folder"
                )
        except OSError as error:
            raise SweepError(f"{folder}: {error.strerror}: name a folder that can be written") from None

    def done(self, number: int) -> bool:
        """Whether a task's results are there; what is there but is not what was written is set aside."""
        seal, *files = self._files(number)
        if not seal.exists():
            return False
        if _is_sealed(self._manifest, seal, files):
            return True
        self._set_aside([seal, *files])
        return False

    def put(self, number: int, points: list[Row], layers: list[Row]) -> None:
        """Keep a task's results; their checksums, written last, are the mark that they are whole.

        Raises:
            SweepError: the disk is full or the folder not writable; what was kept before stays.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        seal, *files = self._files(number)
        try:
            for path, rows in zip(files, (points, layers), strict=True):
                table = _table(rows) if rows else pa.table({"point": pa.array([], pa.int64())})
                with whole_file(path) as partial:
                    pq.write_table(table, partial)
            _write(seal, _seal(self._manifest, files))
        except OSError as error:
            raise self._full(error) from None

    def points(self, number: int) -> list[Row]:
        """Rows of points of a task that is done.

        Raises:
            SweepError: they are damaged.
        """
        return self._read(number, 0).to_pylist()

    def join(self, numbers: Iterable[int]) -> tuple[Path, Path]:
        """Write ``points.parquet`` and ``layers.parquet`` from all parts, in the order of the points.

        Raises:
            SweepError: a part is damaged, or the disk is full.
        """
        numbers = list(numbers)
        points, layers = (self.folder / name for name in JOINED)
        seal = self.folder / SEAL
        try:
            seal.unlink(missing_ok=True)
            for which, path in enumerate((points, layers)):
                self._join(path, which, numbers)
            seal_joined(self.folder)
        except OSError as error:
            raise self._full(error) from None
        return points, layers

    def _join(self, path: Path, which: int, numbers: Sequence[int]) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        schema = pa.unify_schemas(
            [self._read(number, which).schema for number in numbers], promote_options="permissive"
        ).remove_metadata()
        with whole_file(path) as partial, pq.ParquetWriter(partial, schema) as writer:
            for number in numbers:
                writer.write_table(_conform(self._read(number, which), schema))

    def _read(self, number: int, which: int) -> pa.Table:
        seal, *files = self._files(number)
        try:
            data = plain_file(files[which]).read_bytes()
            if _digests(seal)[which : which + 1] != [_digest(self._manifest, files[which].name, data)]:
                raise ValueError("its checksum differs")
            return read_table(data)
        except (OSError, ValueError) as error:  # Arrow's errors are ValueErrors, too
            raise SweepError(
                f"{files[which]} is damaged ({error}): go on with --resume, which computes it again"
            ) from None

    def _files(self, number: int) -> tuple[Path, Path, Path]:
        """The seal of a task, and the files of its points and its layers."""
        name = f"{number:06d}"
        return (
            self._parts / f"{name}.json",
            self._parts / f"{name}.parquet",
            self._parts / f"{name}.layers.parquet",
        )

    def _set_aside(self, paths: Sequence[Path]) -> None:
        there = [path for path in paths if path.exists()]
        for path in there:
            path.replace(path.with_name(f"{path.name}.damaged"))
        names = ", ".join(path.name for path in there)
        self._tell(f"{there[0].parent}: {names} damaged: set aside as *.damaged, and made again")

    def _full(self, error: OSError) -> SweepError:
        return SweepError(f"{self.folder}: {error.strerror or error}: make room, then go on with --resume")


def seal_joined(folder: str | Path) -> None:
    """Write the checksums of the joined files: the mark that a sweep is finished."""
    place = Path(folder)
    manifest = read_text(place / MANIFEST)
    _write(place / SEAL, _seal(manifest, [place / name for name in JOINED if (place / name).exists()]))


def read_joined(folder: str | Path) -> bytes:
    """``points.parquet`` of a sweep, if it is what the sweep wrote.

    Raises:
        FileNotFoundError: there is none, or it is not finished.
        SweepError: it is damaged.
    """
    place = Path(folder)
    files = [place / name for name in JOINED]
    data = plain_file(files[0]).read_bytes()
    if not (place / SEAL).exists():
        raise FileNotFoundError(str(place / SEAL))
    try:
        manifest = read_text(place / MANIFEST)
    except ValueError:
        manifest = ""
    if _digests(place / SEAL)[:1] != [_digest(manifest, files[0].name, data)]:
        raise SweepError(f"{files[0]} is damaged: make it again with 'hwsim sweep ... --resume'")
    return data


def read_table(data: bytes) -> pa.Table:
    """The table of a Parquet file, read by this thread alone.

    ``pq.read_table`` gives buffers of Python's to Arrow's threads, and may wait for them forever while they
    wait for the interpreter (apache/arrow issues 33975 and 50482).

    Raises:
        ArrowException, OSError: it is no such file.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    return pq.ParquetFile(pa.BufferReader(data)).read(use_threads=False)


def _write(path: Path, text: str) -> None:
    with whole_file(path) as partial:
        partial.write_text(text, encoding="utf-8")


def _signed(document: dict[str, Any]) -> str:
    """A document with its own checksum in it, as text."""
    digest = _digest(json.dumps(document, sort_keys=True), MANIFEST, b"")
    return json.dumps({**document, "sha256": digest}, indent=1, sort_keys=True) + "\n"


def _is_damaged(path: Path) -> bool:
    """Whether a manifest is not what was written; one of another version may be of any form."""
    try:
        document = json.loads(read_text(path))
        if document["schema"] != SCHEMA:
            return False
        digest = document.pop("sha256", None)
        return digest != json.loads(_signed(document))["sha256"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return True


def _digest(manifest: str, name: str, data: bytes) -> str:
    digest = hashlib.sha256(manifest.encode())
    digest.update(f"\0{name}\0".encode())
    digest.update(data)
    return digest.hexdigest()


def _seal(manifest: str, files: Sequence[Path]) -> str:
    return json.dumps([_digest(manifest, path.name, plain_file(path).read_bytes()) for path in files]) + "\n"


def _digests(seal: Path) -> list[str]:
    """The checksums of a seal; none if it is damaged."""
    try:
        found = json.loads(read_text(seal, _SEAL_BYTES))
    except (OSError, ValueError, RecursionError):
        return []
    whole = isinstance(found, list) and all(isinstance(one, str) and len(one) == _DIGEST for one in found)
    return found if whole else []


def _is_sealed(manifest: str, seal: Path, files: Sequence[Path]) -> bool:
    try:
        return _digests(seal) == [
            _digest(manifest, path.name, plain_file(path).read_bytes()) for path in files
        ]
    except OSError:
        return False


def _table(rows: list[Row]) -> pa.Table:
    """A table with the columns of all rows, not of the first one alone."""
    import pyarrow as pa

    names = dict.fromkeys(name for row in rows for name in row)
    return pa.Table.from_pylist([{name: row.get(name) for name in names} for row in rows])


def _conform(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """The table with all columns of the schema, in its order; what it lacks is null."""
    import pyarrow as pa

    columns = [
        table[field.name].cast(field.type)
        if field.name in table.column_names
        else pa.nulls(len(table), field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(columns, schema=schema)
