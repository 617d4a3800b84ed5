"""Parts of a sweep are there whole or not at all, and another sweep never mixes with them."""

import pyarrow.parquet as pq
import pytest

from hwsim.errors import SweepError
from hwsim.sweep.store import Store

IDENTITY = {"space": {"columns": [8]}, "traces": ["t"]}


def test_parts_join_in_the_order_of_the_points_and_lack_nothing(tmp_path):
    store = Store(tmp_path, IDENTITY, resume=False)
    store.put(1, [{"point": 2, "cycles": 7.5, "problem": None}], [{"point": 2, "layer": "a"}])
    store.put(0, [{"point": 0, "cycles": None, "problem": "too small"}, {"point": 1, "cycles": 3.0}], [])
    points, layers = store.join(range(2))
    assert pq.read_table(points).to_pylist() == [
        {"point": 0, "cycles": None, "problem": "too small"},
        {"point": 1, "cycles": 3.0, "problem": None},
        {"point": 2, "cycles": 7.5, "problem": None},
    ]
    assert pq.read_table(layers).to_pylist() == [{"point": 2, "layer": "a"}]


def test_a_part_keeps_columns_that_its_first_row_does_not_have(tmp_path):
    store = Store(tmp_path, IDENTITY, resume=False)
    store.put(0, [{"point": 0, "problem": "too small"}, {"point": 1, "cycles": 3.0, "problem": None}], [])
    assert pq.read_table(store.join([0])[0]).to_pylist() == [
        {"point": 0, "cycles": None, "problem": "too small"},
        {"point": 1, "cycles": 3.0, "problem": None},
    ]


def test_a_part_counts_only_when_it_is_whole(tmp_path, monkeypatch):
    store = Store(tmp_path, IDENTITY, resume=False)

    def full(table, target):
        target.write_bytes(b"PAR1 half of it")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pq, "write_table", full)
    with pytest.raises(SweepError, match=r"No space left on device.*--resume") as error:
        store.put(0, [{"point": 0}], [])
    assert "\n" not in str(error.value)
    assert not store.done(0)
    monkeypatch.undo()
    again = Store(tmp_path, IDENTITY, resume=True)
    assert not again.done(0)
    again.put(0, [{"point": 0}], [{"point": 0, "layer": "a"}])
    assert again.done(0)
    assert again.points(0) == [{"point": 0}]


def test_a_sweep_is_not_begun_over_another_one(tmp_path):
    Store(tmp_path, IDENTITY, resume=False)
    with pytest.raises(SweepError, match="--resume"):
        Store(tmp_path, IDENTITY, resume=False)
    with pytest.raises(SweepError, match="another space"):
        Store(tmp_path, {**IDENTITY, "traces": ["u"]}, resume=True)
    Store(tmp_path, IDENTITY, resume=True)


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SweepError, match=r"file.*can be written"):
        Store(tmp_path / "file", IDENTITY, resume=False)


def test_without_pyarrow_one_line_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr("hwsim.sweep.store.find_spec", lambda name: None)
    with pytest.raises(SweepError, match=r"pip install 'hwsim\[dse\]'"):
        Store(tmp_path / "out", IDENTITY, resume=False)
    assert not (tmp_path / "out").exists()
