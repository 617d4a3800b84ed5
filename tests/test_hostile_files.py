"""Machine and space files of strangers: whatever is in them, one line, before anything heavy is loaded."""

import math
import subprocess
import sys
from typing import get_args

import pytest
import typer
from pydantic import BaseModel

from hwsim.arch import EVENTS, MAX_ENERGY, REGISTER_SUM, Arch
from hwsim.cli import application
from hwsim.errors import ArchError, SweepError
from hwsim.files import TOML_BYTES, TOML_DOTS, read_toml
from hwsim.sweep.space import MAX_CHOICES, MAX_SEED, Bound, Range, Search, Space

# TOML for values that no number of a machine may have.
NOT_NUMBERS = (
    "nan",
    "-nan",
    "'16'",
    "''",
    "true",
    "false",
    "[]",
    "[16]",
    "{}",
    "{a = 1}",
    "2020-01-01",
    "07:32:00",
)
TOO_LARGE = (
    "inf",
    "-inf",
    "-1",
    "-0.5",
    str(2**63),
    str(10**30),
    "1e308",
    "0x" + "f" * 5000,
    "-" + "9" * 4000,
)
NUMBERS = [name for name, field in Arch.model_fields.items() if field.annotation in (int, float)]
WHOLE = [name for name, field in Arch.model_fields.items() if field.annotation is int]
OTHERS = [name for name in Arch.model_fields if name not in (*NUMBERS, "energy")]


def refused(text, tmp_path, reader=Arch.from_toml, error=ArchError) -> str:
    path = tmp_path / "file.toml"
    path.write_text(text)
    with pytest.raises(error) as found:
        reader(path)
    message = str(found.value)
    assert message.isprintable()
    assert len(message) < 900
    assert "Value error" not in message
    assert message.startswith(str(path))
    return message


def test_every_field_is_a_number_a_choice_or_the_table_of_energies():
    assert set(NUMBERS) | set(OTHERS) | {"energy"} == set(Arch.model_fields)
    assert "clock_mhz" in NUMBERS
    assert len(NUMBERS) > 9
    assert {"skip_zeros", "compress", "row_split"} <= set(OTHERS)


@pytest.mark.parametrize("value", NOT_NUMBERS + TOO_LARGE)
@pytest.mark.parametrize("name", NUMBERS)
def test_no_number_takes_what_it_cannot_be(name, value, tmp_path):
    assert name in refused(f"{name} = {value}", tmp_path)


@pytest.mark.parametrize("value", ["4.0", "4.5", "1e1"])
@pytest.mark.parametrize("name", WHOLE)
def test_no_whole_number_takes_a_fraction(name, value, tmp_path):
    assert name in refused(f"{name} = {value}", tmp_path)


@pytest.mark.parametrize("value", ["1", "0", "0.5", "nan", "'yes'", "'true'", "[true]", "{}", "2020-01-01"])
@pytest.mark.parametrize("name", OTHERS)
def test_no_choice_takes_anything_else(name, value, tmp_path):
    assert name in refused(f"{name} = {value}", tmp_path)


@pytest.mark.parametrize("name", NUMBERS)
def test_every_number_has_two_finite_ends_that_are_allowed_alone(name):
    ends = {
        end: getattr(rule, end)
        for rule in Arch.model_fields[name].metadata
        for end in ("ge", "le")
        if hasattr(rule, end)
    }
    assert set(ends) == {"ge", "le"}
    assert 0 <= ends["ge"] < ends["le"] < 2**63
    assert getattr(Arch(**{name: ends["le"]}), name) == ends["le"]
    for beyond in (math.nextafter(ends["le"], math.inf), math.nextafter(ends["ge"], -math.inf)):
        wrong = beyond if name == "clock_mhz" else (ends["le"] + 1 if beyond > ends["le"] else ends["ge"] - 1)
        with pytest.raises(ArchError, match=name):
            Arch(**{name: wrong})


@pytest.mark.parametrize("event", [*EVENTS, REGISTER_SUM])
@pytest.mark.parametrize("value", [*NOT_NUMBERS, "inf", "-inf", "-1e-300", "1.1e12", "1e308", str(10**30)])
def test_no_energy_is_anything_but_finite_and_not_negative(event, value, tmp_path):
    assert f"energy.{event}" in refused(f"[energy]\n{event} = {value}", tmp_path)
    for allowed in (0, 0.0, 1, MAX_ENERGY):
        assert Arch(energy={event: allowed}).energy == {event: allowed}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("self = 1", "self is no field of a machine; its fields are cores, columns"),
        ("fields = 1", "fields is no field"),
        ("model_config = 1", "model_config is no field"),
        ("__class__ = 1", "__class__ is no field"),
        ("'a\\u001b[31m\\nb' = 1", "is no field"),
        (f"{'x' * 5000} = 1", "is no field"),
        ("a = " + "[" * 30_000, "too deep"),
        ("a = " + "{a=" * 1000, "too deep"),
        (".".join("a" * 5000) + " = 1", f"more than {TOML_DOTS} dots"),
        ("[" + ".".join("a" * 5000) + "]", f"more than {TOML_DOTS} dots"),
        (f"cores = {'1' * 5000}", "not TOML"),
        ("cores = 1\ncores = 2", "not TOML"),
        ("cores", "not TOML"),
        ("#" * (TOML_BYTES + 1), f"more than {TOML_BYTES} bytes"),
        ("energy = 5", "energy"),
        ("[energy.mac]\na = 1", "energy.mac"),
        ("[[energy]]\nmac = 1", "energy"),
        ("[energy]\n'a\\nb' = 1", "energy: no event"),
        ("columns = 12", "power of two"),
        ("accumulators = 12", "accumulators"),
    ],
)
def test_a_machine_file_of_any_other_form_is_one_line(text, message, tmp_path):
    assert message in refused(text, tmp_path)


@pytest.mark.parametrize("data", [b"\xff\xfec\0o\0", b"cores = \x80", b"\0"])
def test_bytes_that_are_no_text_are_one_line(data, tmp_path):
    (tmp_path / "m.toml").write_bytes(data)
    with pytest.raises(ArchError, match=r"m\.toml: not"):
        Arch.from_toml(tmp_path / "m.toml")


def test_a_byte_order_mark_and_windows_lines_are_read(tmp_path):
    (tmp_path / "m.toml").write_bytes(b"\xef\xbb\xbfcores = 4\r\ncolumns = 8\r\n")
    assert Arch.from_toml(tmp_path / "m.toml") == Arch(cores=4, columns=8)


def test_a_file_without_end_is_not_read():
    with pytest.raises(OSError, match="pipe or a device"):
        read_toml("/dev/zero")


def space(text, tmp_path) -> str:
    return refused(text, tmp_path, Space.from_toml, SweepError)


GOOD = "[space]\ncores = [1, 2]\n"


@pytest.mark.parametrize("value", NOT_NUMBERS + TOO_LARGE)
@pytest.mark.parametrize("name", NUMBERS)
def test_no_swept_or_fixed_number_takes_what_it_cannot_be(name, value, tmp_path):
    assert name in space(f"[space]\n{name} = [{value}]", tmp_path)
    other = "dram_latency" if name == "cores" else "cores"
    assert name in space(f"[machine]\n{name} = {value}\n[space]\n{other} = [1]", tmp_path)
    if not value.startswith("-") or value == "-inf":
        assert name in space(f"[space]\n{name} = {{low = 1, high = {value}, steps = 2}}", tmp_path)


# Of the models of a space file: a table that is right, as parts, and how they stand in the file.
MODELS: dict[type[BaseModel], tuple[dict[str, str], str, str]] = {
    Range: ({"low": "1", "high": "2", "steps": "2"}, "[space]\nclock_mhz = { %s }", ", "),
    Search: ({"method": "'latin'", "points": "5"}, GOOD + "[search]\n%s", "\n"),
    Bound: ({"min": "1"}, GOOD + "[constraints]\nsram_bytes = { %s }", ", "),
}
WRONG_FIELDS = [(model, name) for model in MODELS for name in model.model_fields]


def table(model: type[BaseModel], changes: dict[str, str]) -> str:
    parts, form, between = MODELS[model]
    return form % between.join(f"{name} = {value}" for name, value in {**parts, **changes}.items())


@pytest.mark.parametrize("model", MODELS)
def test_the_tables_that_are_broken_below_are_right_before(model, tmp_path):
    (tmp_path / "s.toml").write_text(table(model, {}))
    Space.from_toml(tmp_path / "s.toml")


def test_every_model_of_a_space_is_tried():
    inner = {kind for field in Space.model_fields.values() for kind in _kinds(field.annotation)}
    assert {Range, Search, Bound} <= inner


def _kinds(annotation) -> set:
    return {annotation} | {kind for part in get_args(annotation) for kind in _kinds(part)}


@pytest.mark.parametrize(
    "value", [*NOT_NUMBERS, "inf", "-inf", "1e400", "[1, 'a']", "'x'", "0x" + "f" * 5000]
)
@pytest.mark.parametrize(("model", "name"), WRONG_FIELDS, ids=lambda part: getattr(part, "__name__", part))
def test_no_field_of_a_space_takes_what_it_cannot_be(model, name, value, tmp_path):
    message = space(table(model, {name: value}), tmp_path)
    assert name in message
    assert "not TOML" not in message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (GOOD + "[search]\nseed = -1", "search.seed"),
        (GOOD + f"[search]\nseed = {MAX_SEED + 1}", "search.seed"),
        (GOOD + "[search]\nobjectives = []", "search.objectives"),
        (GOOD + "[search]\npopulation = 1000000000000", "search.population"),
        (GOOD + "[search]\nmethod = 'sobol'\npoints = 100000000", "search.points"),
        (GOOD + "[search]\nmethod = 'sobol'", "needs points"),
        (GOOD + "[constraints]\nsram_bytes = {min = 2, max = 1}", "min is above max"),
        (GOOD + "[constraints]\nsram_bytes = 5", "constraints.sram_bytes"),
        ("[space]\nclock_mhz = {low = 1, high = 2, steps = 100000000}", "steps"),
        ("[space]\nclock_mhz = {low = 1e-300, high = 1e300, steps = 3, scale = 'log'}", "too far apart"),
        ("[space]\nclock_mhz = {low = -1e308, high = 1e308, steps = 3}", "too far apart"),
        ("[space]\nbytes_per_cycle = {low = 1, high = 1e300, steps = 3}", "bytes_per_cycle"),
        ("[space]\ndram_latency = {low = 5e-324, high = 1, steps = 3, scale = 'log'}", "too far apart"),
        ("[space]\ncores = {low = 2, high = 1, steps = 3}", "low must be below high"),
        ("[space]\ncores = {low = 0, high = 1, steps = 3, scale = 'log'}", "above 0 on a log scale"),
        ("[space]\ncores = {low = 1, high = 9}", "a grid needs steps"),
        ("[space]\ncores = []", "cores"),
        ("[space]\ncores = [" + "1," * (MAX_CHOICES + 1) + "]", "cores"),
        ("[space]\ncores = 5", "cores"),
        ("[space]\nself = [1]", "self is no field of the machine"),
        ("[space]\nenergy = [1]", "cannot be swept"),
        ("[space]\nrow_split = {low = 0, high = 1, steps = 2}", "row_split"),
        ("[space]\nskip_zeros = [true]", "cannot be swept"),
        ("[machine]\nself = 1\n" + GOOD, "self is no field of a machine"),
        ("[machine]\nenergy = {mac = -1}\n" + GOOD, "energy.mac"),
        ("[machine]\ncores = 1\n" + GOOD, "both fixed"),
        ("[space]", "space"),
        ("", "space"),
        ("space = 1", "space"),
        ("spice = 1\n" + GOOD, "spice"),
        (".".join("a" * 5000) + " = 1", "dots"),
        (
            "[space]\n"
            + "".join(
                f"{name} = {{low = 8, high = 16, steps = 9}}\n"
                for name in WHOLE
                if name not in {"columns", "lanes"}
            ),
            "the grid has",
        ),
    ],
)
def test_a_space_file_that_makes_no_sense_is_one_line(text, message, tmp_path):
    assert message in space(text, tmp_path)


def commands_with(option: str, command=None, words=()) -> list[list[str]]:
    """Words of all commands that have an option, as the program itself knows them."""
    command = command or typer.main.get_command(application())
    if inner := getattr(command, "commands", None):
        return [found for name, one in inner.items() for found in commands_with(option, one, [*words, name])]
    return [list(words)] if any(option in parameter.opts for parameter in command.params) else []


REST = {
    "export": ["t", "ramulator2", "-o", "x"],
    "compile": ["t", "-o", "x"],
    "emit": ["-o", "x"],
    "synth": [],
}
HEAVY = ("numba", "numpy", "scipy", "zarr", "torch", "pyarrow", "matplotlib", "amaranth", "pandas")
LOADED = f"""
import sys
from hwsim.cli import main
try:
    main(sys.argv[1:])
except SystemExit as end:
    loaded = [name for name in {HEAVY!r} if name in sys.modules]
    print(end.code, *loaded)
"""


def run(*words) -> tuple[str, str]:
    done = subprocess.run([sys.executable, "-c", LOADED, *words], capture_output=True, text=True, check=False)
    return done.stdout.strip().splitlines()[-1], done.stderr


def test_a_wrong_file_is_refused_before_anything_heavy_is_loaded(tmp_path):
    (tmp_path / "m.toml").write_text("clock_mhz = inf")
    (tmp_path / "s.toml").write_text(GOOD + "[search]\nseed = -1")
    commands = [
        [*words, *REST.get(words[-1], []), "--arch", str(tmp_path / "m.toml")]
        for words in commands_with("--arch")
    ]
    assert len(commands) > 6
    commands.append(["sweep", "t", "--space", str(tmp_path / "s.toml"), "-o", str(tmp_path / "out")])
    for words in commands:
        last, errors = run(*words)
        assert last == "1", (words, last, errors)
        assert errors.count("\n") == 1, (words, errors)
        assert ".toml: " in errors


def test_no_word_of_the_library_that_checks_is_shown():
    _, errors = run("export", "t", "nonsense", "-o", "x")
    assert "'nonsense' is not one of" in errors
    assert "Value error" not in errors
