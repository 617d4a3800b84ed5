"""Where tasks run: processes of this computer, or the workers of a Dask cluster.

One interface: a pool takes tasks and yields each with its result as it finishes, in any order.
"""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager

from hwsim.errors import SweepError
from hwsim.sweep.evaluate import Row, Task, run_task

Result = tuple[list[Row], list[Row]]
Pool = Callable[[Sequence[Task]], Iterator[tuple[Task, Result]]]
RETRIES = 3  # of a task whose worker was killed


@contextmanager
def local_pool(workers: int | None = None) -> Iterator[Pool]:
    """Processes of this computer; killed ones are replaced."""
    count = workers or os.cpu_count() or 1
    context = multiprocessing.get_context("spawn")
    executors: list[ProcessPoolExecutor] = []

    def renew() -> ProcessPoolExecutor:
        for executor in executors:
            executor.shutdown(wait=False, cancel_futures=True)
        executors[:] = [ProcessPoolExecutor(count, mp_context=context, initializer=_end_with_the_client)]
        return executors[0]

    def run(tasks: Sequence[Task]) -> Iterator[tuple[Task, Result]]:
        waiting = {task.number: task for task in tasks}
        losses = 0
        executor = executors[0] if executors else renew()
        while waiting:
            try:
                futures = {executor.submit(run_task, task): task for task in waiting.values()}
                for future in as_completed(futures):
                    task = futures[future]
                    result = future.result()
                    del waiting[task.number]
                    losses = 0
                    yield task, result
            except BrokenProcessPool:
                losses += 1
                if losses > RETRIES:
                    raise SweepError(
                        "worker processes die again and again: lower --workers, or give them more memory; "
                        "then go on with --resume"
                    ) from None
                executor = renew()

    try:
        yield run
    finally:
        for executor in executors:
            executor.shutdown(wait=False, cancel_futures=True)


def _end_with_the_client() -> None:
    """Ends this worker as soon as the process that started it is gone, killed or not.

    A worker that waits for its next task would wait forever: it holds the other end of its queue too.
    """
    client = multiprocessing.parent_process()
    assert client is not None

    def watch() -> None:
        multiprocessing.connection.wait([client.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def dask_pool(address: str) -> Iterator[Pool]:
    """Workers of a Dask cluster; they need hwsim installed, and traces that they can open.

    Raises:
        SweepError: Dask is not installed, or no scheduler answers at the address.
    """
    try:
        from distributed import Client, KilledWorker
        from distributed import as_completed as dask_completed
    except ImportError:
        raise SweepError("--scheduler needs Dask: pip install 'hwsim[dse]'") from None
    try:
        client = Client(address, timeout=10)
    except (OSError, ValueError, TimeoutError) as error:
        raise SweepError(f"no Dask scheduler at {address}: {error}") from None

    def run(tasks: Sequence[Task]) -> Iterator[tuple[Task, Result]]:
        futures = {
            client.submit(
                run_task, task, key=f"hwsim-{os.getpid()}-{task.number}", pure=False, retries=RETRIES
            ): task
            for task in tasks
        }
        try:
            for future in dask_completed(list(futures)):
                yield futures[future], future.result()
                future.release()
        except KilledWorker as error:
            raise SweepError(
                f"Dask workers die again and again ({error}): then go on with --resume"
            ) from None

    with client:
        yield run
