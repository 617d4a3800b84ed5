"""A machine survives the way through TOML, and a wrong one is refused in one line."""

import pytest

from hwsim.arch import Arch
from hwsim.errors import ArchError


def test_toml_round_trip_keeps_every_field(tmp_path):
    arch = Arch(cores=4, columns=8, row_split="contiguous", skip_zeros=False, energy={"mac": 0.5})
    path = tmp_path / "machine.toml"
    path.write_text(arch.to_toml())
    assert Arch.from_toml(path) == arch


@pytest.mark.parametrize("skip_zeros", [True, False])
@pytest.mark.parametrize("compress", [True, False])
def test_the_baseline_differs_in_its_two_flags_alone(skip_zeros, compress):
    arch = Arch(cores=4, skip_zeros=skip_zeros, compress=compress)
    assert (arch.dense().skip_zeros, arch.dense().compress) == (False, False)
    assert arch.dense().replace(skip_zeros=skip_zeros, compress=compress) == arch


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cores = 0", "cores"),
        ("columns = 3", "power of two"),
        ("colums = 4", "colums"),
        ("cores = 'many'", "cores"),
        ("cores = = 3", "not TOML"),
        ("lanes = 2", "lanes: every core decodes two segments in turns: leave the field out"),
        ("fifo_depth = 16", "fifo_depth: every lane has 8 places for items: leave the field out"),
    ],
)
def test_a_wrong_machine_file_is_refused_in_one_line(tmp_path, text, message):
    path = tmp_path / "machine.toml"
    path.write_text(text)
    with pytest.raises(ArchError, match=message) as error:
        Arch.from_toml(path)
    assert "\n" not in str(error.value)
    assert "machine.toml" in str(error.value)


def test_a_missing_machine_file_is_named(tmp_path):
    with pytest.raises(ArchError, match=r"nowhere\.toml"):
        Arch.from_toml(tmp_path / "nowhere.toml")
