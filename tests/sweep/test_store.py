"""Parts of a sweep are there whole or not at all, and another sweep never mixes with them."""

import shutil
from pathlib import Path
from random import Random

import pyarrow.parquet as pq
import pytest
from deaths import deaths, tree

from hwsim.errors import SweepError
from hwsim.sweep.store import Store, read_joined

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


OTHER = {**IDENTITY, "space": {"columns": [16]}}
FILES = ("000000.parquet", "000000.layers.parquet", "000000.json")


def fill(folder: Path, identity=IDENTITY, factor: int = 1, tell=lambda line: None) -> tuple[list[int], list]:
    """Compute what is not there, as a sweep does; returns the tasks that were computed, and all rows."""
    store = Store(folder, identity, resume=True, tell=tell)
    computed = [number for number in range(3) if not store.done(number)]
    for number in computed:
        points = [{"point": 2 * number + k, "cycles": 1.5 * factor * (number + k)} for k in range(2)]
        store.put(number, points, [{**row, "layer": "a"} for row in points])
    return computed, [pq.read_table(path).to_pylist() for path in store.join(range(3))]


@pytest.fixture
def swept(tmp_path):
    folder = tmp_path / "swept"
    assert fill(folder)[0] == [0, 1, 2]
    return folder


def flip(path: Path, random: Random) -> None:
    data = bytearray(path.read_bytes())
    data[random.randrange(len(data))] ^= 1 << random.randrange(8)
    path.write_bytes(data)


def cut(path: Path, random: Random) -> None:
    path.write_bytes(path.read_bytes()[: random.randrange(path.stat().st_size)])


def lengthen(path: Path, random: Random) -> None:
    path.write_bytes(path.read_bytes() + bytes(random.randrange(1, 9)))


def of_another_task(path: Path, random: Random) -> None:
    for name in FILES:
        shutil.copy(path.with_name(name.replace("000000", "000001")), path.with_name(name))


def of_another_sweep(path: Path, random: Random) -> None:
    other = path.parents[2] / "other"
    fill(other, OTHER, factor=2)
    for name in FILES:
        shutil.copy(other / "parts" / name, path.with_name(name))


DAMAGES = (flip, cut, lengthen, of_another_task, of_another_sweep)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_a_damaged_part_is_named_set_aside_and_computed_again(swept, damage, name):
    rows, told = fill(swept)[1], []
    before = tree(swept)
    damage(swept / "parts" / name, Random(0))
    computed, again = fill(swept, tell=told.append)
    assert computed == [0]
    assert again == rows
    assert len(told) == 1
    assert "000000" in told[0]
    assert "damaged" in told[0]
    assert (swept / "parts" / f"{FILES[0]}.damaged").exists()
    for path in (swept / "parts").glob("*.damaged"):
        path.unlink()
    assert tree(swept) == before


def test_no_flipped_bit_of_a_part_gives_other_numbers(swept):
    """400 of them, in any file of any part; before there were checksums, 52 passed in silence."""
    rows, random = fill(swept)[1], Random(0)
    files = sorted((swept / "parts").iterdir())
    for _ in range(400):
        path = random.choice(files)
        good = path.read_bytes()
        flip(path, random)
        store = Store(swept, IDENTITY, resume=True)
        assert not store.done(int(path.name[:6]))
        for aside in (swept / "parts").glob("*.damaged"):
            aside.replace(aside.with_name(aside.name.removesuffix(".damaged")))
        path.write_bytes(good)
    assert fill(swept) == ([], rows)


@pytest.mark.parametrize("which", [0, 1])
def test_a_part_that_rots_while_the_sweep_runs_is_named_and_not_joined(swept, which):
    store = Store(swept, IDENTITY, resume=True)
    flip(swept / "parts" / FILES[which], Random(1))
    with pytest.raises(SweepError, match=rf"{FILES[which]} is damaged .*--resume, which computes it again"):
        store.join(range(3))
    if which == 0:
        with pytest.raises(SweepError, match="is damaged"):
            store.points(0)
    with pytest.raises(FileNotFoundError):
        read_joined(swept)  # what was joined before is not of these parts


@pytest.mark.parametrize("name", ["points.parquet", "joined.json", "sweep.json"])
def test_no_damage_of_the_joined_files_gives_other_numbers(swept, name):
    good, random, points, refused = (swept / name).read_bytes(), Random(2), read_joined(swept), 0
    for _ in range(60):
        random.choice((flip, cut))(swept / name, random)
        try:
            assert read_joined(swept) == points  # the checksum of the layers was hit
        except SweepError:
            refused += 1
        (swept / name).write_bytes(good)
    assert refused > 20
    assert refused == 60 or name == "joined.json"


def test_a_damaged_manifest_costs_no_part(swept):
    rows, random, good = fill(swept)[1], Random(3), (swept / "sweep.json").read_bytes()
    for _ in range(60):
        told = []
        random.choice((flip, cut))(swept / "sweep.json", random)
        try:
            assert fill(swept, tell=told.append) == ([], rows)
        except SweepError:
            assert b'"schema": 2,' not in (swept / "sweep.json").read_bytes()  # left alone
            (swept / "sweep.json").write_bytes(good)
        else:
            assert "sweep.json damaged" in told[0]
        assert (swept / "sweep.json").read_bytes() == good


def test_a_sweep_of_another_version_is_left_alone(swept):
    (swept / "sweep.json").write_text('{"schema": 1, "space": {}}')
    before = tree(swept)
    with pytest.raises(SweepError, match="another version: name another folder"):
        fill(swept)
    assert tree(swept) == before


@pytest.mark.parametrize("torn", [False, True])
def test_a_sweep_killed_at_any_step_goes_on_to_the_same_bytes(tmp_path, torn):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    fill(whole)
    for number in deaths(lambda: fill(killed), torn):
        if (killed / "joined.json").exists():
            read_joined(killed)
        told: list[str] = []
        fill(killed, tell=told.append)
        assert tree(killed) == tree(whole), f"killed at change {number}"
        assert not told  # what a kill leaves is no damage
        shutil.rmtree(killed)
