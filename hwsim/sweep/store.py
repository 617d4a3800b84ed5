"""Results of a sweep on disk: parts that are there whole or not at all, joined into two Parquet files.

DIR/sweep.json            what is swept: a resumed sweep must be the same
DIR/parts/000012.parquet  rows of points of task 12, with those of its layers in 000012.layers.parquet
DIR/points.parquet        one row a point and trace       (when all parts are there)
DIR/layers.parquet        one row a point, trace and layer
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hwsim.errors import SweepError
from hwsim.sweep.evaluate import Row

if TYPE_CHECKING:
    import pyarrow as pa

SCHEMA = 1


class Store:
    """The folder of a sweep.

    Args:
        folder: made if it is not there.
        identity: JSON-able; what the results depend on.
        resume: go on with what is there; otherwise the folder must not hold a sweep.

    Raises:
        SweepError: it holds another sweep, or one and ``resume`` is not given; it cannot be written; or
            there is no pyarrow.
    """

    def __init__(self, folder: str | Path, identity: dict[str, Any], resume: bool) -> None:
        if find_spec("pyarrow") is None:
            raise SweepError("results of sweeps are Parquet: pip install 'hwsim[dse]'")
        self.folder = Path(folder)
        self._parts = self.folder / "parts"
        manifest = self.folder / "sweep.json"
        text = json.dumps({"schema": SCHEMA, **identity}, indent=1, sort_keys=True) + "\n"
        try:
            self._parts.mkdir(parents=True, exist_ok=True)
            if not manifest.exists():
                self._replace(manifest, lambda path: path.write_text(text, encoding="utf-8"))
            elif not resume:
                raise SweepError(f"{folder} holds a sweep: add --resume to go on, or name another folder")
            elif manifest.read_text(encoding="utf-8") != text:
                raise SweepError(
                    f"{folder} holds a sweep of another space, other traces or another version: "
                    "name another folder"
                )
        except OSError as error:
            raise SweepError(f"{folder}: {error.strerror}: name a folder that can be written") from None

    def done(self, number: int) -> bool:
        """Whether a task's results are there."""
        return self._part(number).exists()

    def put(self, number: int, points: list[Row], layers: list[Row]) -> None:
        """Keep a task's results; the file of points, written last, is the mark that they are whole.

        Raises:
            SweepError: the disk is full or the folder not writable; what was kept before stays.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        files = ((self._part(number, ".layers"), layers), (self._part(number), points))
        try:
            for path, rows in files:
                table = _table(rows) if rows else pa.table({"point": pa.array([], pa.int64())})
                self._replace(path, lambda target, table=table: pq.write_table(table, target))
        except OSError as error:
            raise SweepError(
                f"{self.folder}: {error.strerror or error}: make room, then go on with --resume"
            ) from None

    def points(self, number: int) -> list[Row]:
        """Rows of points of a task that is done."""
        import pyarrow.parquet as pq

        return pq.read_table(self._part(number)).to_pylist()

    def join(self, numbers: Iterable[int]) -> tuple[Path, Path]:
        """Write ``points.parquet`` and ``layers.parquet`` from all parts, in the order of the points."""
        numbers = list(numbers)
        paths = self.folder / "points.parquet", self.folder / "layers.parquet"
        for path, suffix in zip(paths, ("", ".layers"), strict=True):
            self._join(path, [self._part(number, suffix) for number in numbers])
        return paths

    def _join(self, path: Path, parts: list[Path]) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        schema = pa.unify_schemas(
            [pq.read_schema(part) for part in parts], promote_options="permissive"
        ).remove_metadata()

        def write(target: Path) -> None:
            with pq.ParquetWriter(target, schema) as writer:
                for part in parts:
                    writer.write_table(_conform(pq.read_table(part), schema))

        try:
            self._replace(path, write)
        except OSError as error:
            raise SweepError(
                f"{self.folder}: {error.strerror or error}: make room, then go on with --resume"
            ) from None

    def _part(self, number: int, suffix: str = "") -> Path:
        return self._parts / f"{number:06d}{suffix}.parquet"

    @staticmethod
    def _replace(path: Path, write: Any) -> None:
        partial = path.with_name(path.name + ".partial")
        write(partial)
        os.replace(partial, path)


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
