"""Run a sweep: tasks over local processes or a Dask cluster, kept as they finish."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import hwsim
from hwsim.errors import SweepError
from hwsim.sweep.evaluate import Row, Task, check_columns
from hwsim.sweep.pareto import generations
from hwsim.sweep.pools import Pool, dask_pool, local_pool
from hwsim.sweep.space import Space
from hwsim.sweep.store import Store
from hwsim.trace import open_trace
from hwsim.trace.shipped import locate

TASK_POINTS = 50  # points of a task: a second or so of work, what a killed worker loses


def sweep(
    traces: Sequence[str],
    space: Space,
    folder: str | Path,
    *,
    images: Sequence[int] | None = None,
    resume: bool = False,
    scheduler: str | None = None,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    tell: Callable[[str], None] = lambda line: None,
) -> tuple[Path, Path]:
    """Simulate every machine of a space over every trace.

    Args:
        traces: paths, or URLs that all workers can open.
        space: the machines.
        folder: of the results; it can be resumed after any interruption.
        images: of each trace; all if not given.
        resume: go on with a sweep that ``folder`` holds.
        scheduler: address of a Dask scheduler; local processes if not given.
        workers: local processes; as many as cores if not given.
        progress: called with (points done, points in all).
        tell: called with a line about every part that is damaged, set aside, and computed again.

    Returns:
        Paths of ``points.parquet`` (a row a point and trace) and ``layers.parquet``.

    Raises:
        SweepError: the space, the folder or the cluster cannot be used.
        TraceError: a trace cannot be read.
    """
    check_columns(space)
    paths = tuple(_shared(trace) for trace in traces)
    chosen = None if images is None else tuple(images)
    identity = {
        "version": hwsim.__version__,
        "space": space.model_dump(mode="json"),
        "traces": [_fingerprint(path, chosen) for path in paths],
        "images": chosen if chosen is None else list(chosen),
        "task_points": TASK_POINTS,
    }
    store = Store(folder, identity, resume, tell)
    with ExitStack() as stack:
        pool = stack.enter_context(dask_pool(scheduler) if scheduler else local_pool(workers))
        count = _visit(space, paths, chosen, store, pool, progress)
    return store.join(range(count))


def _shared(trace: str) -> str:
    return trace if "://" in trace else str(Path(locate(trace)).absolute())


def _fingerprint(path: str, images: tuple[int, ...] | None) -> dict[str, Any]:
    """What a trace is, so that a resumed sweep is of the same one."""
    with open_trace(path) as trace:
        for image in images or ():
            if not 0 <= image < trace.images:
                raise SweepError(f"{path} has no image {image}; it has 0 .. {trace.images - 1}")
        return {"path": path, "digest": trace.digest}


def _tasks(
    points: Sequence[dict[str, Any]], first_task: int, first_point: int, fixed: tuple[Any, ...]
) -> list[Task]:
    space, traces, images = fixed
    return [
        Task(first_task + n, first_point + k, tuple(points[k : k + TASK_POINTS]), space, traces, images)
        for n, k in enumerate(range(0, len(points), TASK_POINTS))
    ]


def _visit(
    space: Space,
    traces: tuple[str, ...],
    images: tuple[int, ...] | None,
    store: Store,
    pool: Pool,
    progress: Callable[[int, int], None] | None,
) -> int:
    """Generation after generation, a single one unless the search is guided; returns the number of tasks.

    Rows that are kept already are told to the search instead of computed.
    """
    guided = space.search.method == "pareto"
    search = generations(space) if guided else _all_at_once(space)
    tasks_done = points_done = 0
    points = next(search)
    while points:
        tasks = _tasks(points, tasks_done, points_done, (space, traces, images))
        for done in _compute(tasks, store, pool):
            if progress is not None:
                progress(points_done + done, (space.search.points or 0) if guided else len(points))
        rows: list[Row] = [row for task in tasks for row in store.points(task.number)] if guided else []
        tasks_done += len(tasks)
        points_done += len(points)
        points = search.send(rows)
    return tasks_done


def _all_at_once(space: Space) -> Generator[list[dict[str, Any]], list[Row], None]:
    yield space.points()
    yield []


def _compute(tasks: Sequence[Task], store: Store, pool: Pool) -> Iterator[int]:
    """Compute what is not kept yet; yields the number of points done so far."""
    missing = [task for task in tasks if not store.done(task.number)]
    done = sum(len(task.points) for task in tasks) - sum(len(task.points) for task in missing)
    yield done
    for task, (points, layers) in pool(missing):
        store.put(task.number, points, layers)
        done += len(task.points)
        yield done
