"""A sweep gives what the simulator gives, however it was interrupted and wherever it ran."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

import hwsim
from hwsim.errors import ArchError, SweepError
from hwsim.machine.area import area
from hwsim.sweep import Space, sweep
from hwsim.sweep import run as sweep_run
from hwsim.sweep.evaluate import run_task
from hwsim.sweep.pareto import _objectives
from traces import Tiny

FIELDS = {
    "machine": {"cores": 2, "columns": 4},
    "space": {"bytes_per_cycle": [1, 4, 16], "dram_latency": [16, 32], "accumulators": [8, 1024]},
}


@pytest.fixture
def trace(tmp_path):
    return str(Tiny().write(tmp_path / "tiny.zarr.zip"))


@pytest.fixture
def small_tasks(monkeypatch):
    monkeypatch.setattr(sweep_run, "TASK_POINTS", 3)


def rows(path: Path) -> list[dict]:
    return pq.read_table(path).to_pylist()


def in_this_process(monkeypatch, run=run_task):
    """Tasks run here, one after the other."""
    from contextlib import contextmanager

    @contextmanager
    def pool(workers=None):
        yield lambda tasks: ((task, run(task)) for task in tasks)

    monkeypatch.setattr(sweep_run, "local_pool", pool)


OTHERS = {
    "space": {
        "cores": {"low": 1, "high": 4},
        "columns": {"low": 2, "high": 8, "steps": 3, "scale": "log"},
        "row_split": ["balanced", "contiguous"],
        "run_max": {"low": 1, "high": 16, "scale": "log"},
        "activation_bits": [15, 16, 16],
        "weight_bits": {"low": 8, "high": 16},
        "weight_words": {"low": 100, "high": 9216, "scale": "log"},
        "map_buffer": {"low": 1, "high": 1e4, "scale": "log"},
        "dram_latency": {"low": 1, "high": 100},
        "clock_mhz": {"low": 50, "high": 500},
    },
    "search": {"method": "latin", "points": 12},
}


@pytest.mark.parametrize("fields", [FIELDS, OTHERS], ids=["a grid", "all other fields"])
def test_every_row_is_what_simulate_gives(trace, tmp_path, monkeypatch, small_tasks, fields):
    in_this_process(monkeypatch)
    space = Space.parse(fields)
    points, layers = sweep([trace], space, tmp_path / "out")
    table = rows(points)
    assert [row["point"] for row in table] == list(range(12))
    for row in table:
        arch = space.arch({k: row[k] for k in fields["space"]})
        if not row["feasible"]:
            with pytest.raises(ArchError) as refused:
                hwsim.simulate(hwsim.open_trace(trace), arch)
            assert row["problem"] == str(refused.value)
            continue
        result = hwsim.simulate(hwsim.open_trace(trace), arch)
        assert row["luts"] == area(arch).luts
        assert row["seconds"] == pytest.approx(row["cycles"] / arch.clock_mhz / 1e6, rel=1e-12, abs=0)
        assert row["cycles"] == result.total("skipping") / 2
        assert row["dense_cycles"] == result.total("dense") / 2
        assert row["dram_bytes"] == result.dram_bytes("skipping") / 2
        assert row["energy_uj"] == pytest.approx(result.energy_pj("skipping") / 2e6, rel=1e-12, abs=0)
        assert row["speedup"] == pytest.approx(result.speedup)
        parts = [layer for layer in rows(layers) if layer["point"] == row["point"]]
        assert sum(layer["cycles"] for layer in parts) == row["cycles"]
        assert [layer["layer"] for layer in parts] == ["conv", "fc"]
    assert {row["feasible"] for row in table} == {True, False}


def test_an_interrupted_sweep_goes_on_and_ends_like_an_uninterrupted_one(
    trace, tmp_path, monkeypatch, small_tasks
):
    space = Space.parse(FIELDS)
    in_this_process(monkeypatch)
    whole = [rows(path) for path in sweep([trace], space, tmp_path / "whole")]

    computed = []

    def dies_in_the_third(task):
        if len(computed) == 2:
            raise KeyboardInterrupt
        computed.append(task.number)
        return run_task(task)

    in_this_process(monkeypatch, dies_in_the_third)
    with pytest.raises(KeyboardInterrupt):
        sweep([trace], space, tmp_path / "cut")
    in_this_process(monkeypatch, lambda task: (computed.append(task.number), run_task(task))[1])
    with pytest.raises(SweepError, match="--resume"):
        sweep([trace], space, tmp_path / "cut")
    resumed = [rows(path) for path in sweep([trace], space, tmp_path / "cut", resume=True)]
    assert resumed == whole
    assert sorted(computed) == [0, 1, 2, 3]  # none twice


def test_a_full_disk_is_one_clear_line_and_the_sweep_goes_on_once_there_is_room(
    trace, tmp_path, monkeypatch, small_tasks
):
    in_this_process(monkeypatch)
    space, folder = Space.parse(FIELDS), tmp_path / "out"
    (folder / "parts").mkdir(parents=True)
    full = folder / "parts" / "000002.parquet.partial"
    full.symlink_to("/dev/full")  # every write to it fails as on a full disk
    with pytest.raises(SweepError, match=r"out: .*No space left on device.*--resume") as error:
        sweep([trace], space, folder)
    assert "\n" not in str(error.value)
    assert (folder / "parts" / "000001.parquet").exists()
    full.unlink(missing_ok=True)
    resumed = [rows(path) for path in sweep([trace], space, folder, resume=True)]
    assert resumed == [rows(path) for path in sweep([trace], space, tmp_path / "whole")]


def test_another_trace_is_not_taken_for_the_one_that_was_swept(trace, tmp_path, monkeypatch):
    in_this_process(monkeypatch)
    sweep([trace], Space.parse(FIELDS), tmp_path / "out")
    Path(trace).unlink()
    Tiny(seed=1).write(trace)
    with pytest.raises(SweepError, match="other traces"):
        sweep([trace], Space.parse(FIELDS), tmp_path / "out", resume=True)


def test_a_pareto_search_is_repeatable_resumable_and_finds_the_front(trace, tmp_path, monkeypatch):
    in_this_process(monkeypatch)
    fields = {
        "machine": {"cores": 2, "columns": 4},
        "space": {"bytes_per_cycle": [1, 2, 4, 8, 16, 32], "dram_latency": [0, 50, 100, 200, 400]},
        "search": {
            "method": "pareto",
            "points": 60,
            "population": 20,
            "objectives": ["cycles", "bandwidth_gb_s"],
        },
    }
    space = Space.parse(fields)
    first = rows(sweep([trace], space, tmp_path / "a")[0])
    assert first == rows(sweep([trace], space, tmp_path / "b")[0])
    for part in (tmp_path / "b" / "parts").iterdir():
        if not part.name.startswith("000000"):
            part.unlink()
    assert first == rows(sweep([trace], space, tmp_path / "b", resume=True)[0])
    # No latency is best, whatever the bandwidth: the search must have found that.
    best = min(first, key=lambda row: row["cycles"])
    assert best["dram_latency"] == 0
    late, early = [np.mean([row["dram_latency"] for row in part]) for part in (first[-20:], first[:20])]
    assert late < early


MANY = {
    "machine": {"cores": 2, "columns": 4},
    "space": {"bytes_per_cycle": list(range(1, 33)), "dram_latency": list(range(16, 48))},
}
SCRIPT = f"""
import sys
from hwsim.sweep import Space, sweep
if __name__ == "__main__":
    trace, folder, resume, scheduler = sys.argv[1:]

    def progress(done, total):
        print(done, flush=True)
        sys.stdin.readline()  # as fast as the test lets it, or at once where there is no input

    sweep([trace], Space.parse({MANY}), folder, resume=resume == "resume",
          scheduler=scheduler or None, workers=1, progress=progress)
"""


def start(tmp_path: Path, *arguments: str) -> subprocess.Popen:
    script = tmp_path / "go.py"
    script.write_text(SCRIPT)
    return subprocess.Popen(
        [sys.executable, str(script), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
    )


def reach(client: subprocess.Popen, points: int) -> None:
    """Let the client go on until so many points are done; there it stands still."""
    assert client.stdout is not None
    while int(client.stdout.readline()) < points:
        go_on(client)


def go_on(client: subprocess.Popen) -> None:
    assert client.stdin is not None
    client.stdin.write("\n")
    client.stdin.flush()


def finish(client: subprocess.Popen) -> int:
    """Let the client go on to its end: its exit code."""
    client.communicate(timeout=120)
    return client.returncode


def children(pid: int) -> list[int]:
    """Worker processes of a pool (those that multiprocessing spawned)."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rsplit(")", 1)[1].split()
            command = (path.parent / "cmdline").read_text()
        except OSError:
            continue
        if int(fields[1]) == pid and "spawn_main" in command:
            found.append(int(path.parent.name))
    return found


def ended(processes: list[int]) -> bool:
    """Whether all of them end within some seconds."""
    deadline = time.monotonic() + 20
    while any(Path(f"/proc/{pid}").exists() for pid in processes):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def test_a_killed_worker_and_a_killed_client_lose_no_point(trace, tmp_path, monkeypatch):
    folder = tmp_path / "out"
    client = start(tmp_path, trace, str(folder), "", "")
    reach(client, 100)
    (worker,) = children(client.pid)
    os.kill(worker, signal.SIGKILL)
    go_on(client)
    reach(client, 400)
    orphans = children(client.pid)
    client.kill()
    client.wait()
    assert orphans
    assert ended(orphans)
    kept = len(list((folder / "parts").glob("*.parquet")))
    assert 2 * 8 <= kept < 2 * 20
    assert not (folder / "points.parquet").exists()
    assert finish(start(tmp_path, trace, str(folder), "resume", "")) == 0
    table = rows(folder / "points.parquet")
    assert [row["point"] for row in table] == list(range(32 * 32))
    assert all(row["feasible"] for row in table)
    in_this_process(monkeypatch)
    for whole in sweep([trace], Space.parse(MANY), tmp_path / "whole"):
        assert rows(folder / whole.name) == rows(whole)


@pytest.fixture
def cluster(tmp_path):
    """A scheduler and two workers on loopback; yields (address, worker processes)."""
    address = f"tcp://127.0.0.1:{20000 + os.getpid() % 20000}"
    host, port = "127.0.0.1", address.rsplit(":", 1)[1]
    command = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", host, "--port", port]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": tmp_path}
    scheduler = subprocess.Popen([*command, "--no-dashboard"], **quiet)
    command = [sys.executable, "-m", "distributed.cli.dask_worker", address, "--nthreads", "1", "--no-nanny"]
    workers = [subprocess.Popen([*command, "--no-dashboard"], **quiet) for _ in range(2)]
    yield address, workers
    for process in (*workers, scheduler):
        process.kill()
        process.wait()


def test_a_dask_cluster_with_a_killed_worker_gives_the_same(trace, tmp_path, cluster, monkeypatch):
    address, workers = cluster
    client = start(tmp_path, trace, str(tmp_path / "dask"), "", address)
    reach(client, 100)
    workers[0].kill()
    assert finish(client) == 0
    in_this_process(monkeypatch)
    for whole in sweep([trace], Space.parse(MANY), tmp_path / "whole"):
        assert rows(tmp_path / "dask" / whole.name) == rows(whole)


def test_a_scheduler_that_does_not_answer_is_named(trace, tmp_path):
    begun = time.monotonic()
    with pytest.raises(SweepError, match=r"no Dask scheduler at tcp://127\.0\.0\.1:9"):
        sweep([trace], Space.parse(FIELDS), tmp_path / "out", scheduler="tcp://127.0.0.1:9")
    assert time.monotonic() - begun < 60


def test_a_search_makes_the_sum_over_all_traces_small_and_takes_a_point_for_all_or_none():
    known = {"feasible": True, "energy_uj": 2.0}
    rows = [
        {"point": 4, **known, "cycles": 3},
        {"point": 4, **known, "cycles": 5},
        {"point": 5, **known, "cycles": 3},
        {"point": 5, **known, "cycles": None, "feasible": False},
    ]
    assert _objectives(rows, ("cycles", "energy_uj")) == {4: [8.0, 4.0], 5: None}
    assert _objectives(rows[::-1], ("cycles", "energy_uj")) == {4: [8.0, 4.0], 5: None}
