"""FuseSoC builds what is emitted: lint is clean, a simulation passes what is right and nothing else."""

import shutil

import pytest
from copier import Copier
from copying_kit import ARCH, emit_copier
from tools import fusesoc

from hwsim.arch import Arch
from hwsim_rtl.emit import emit, emit_system


@pytest.fixture(scope="module")
def kit(tmp_path_factory):
    path = tmp_path_factory.mktemp("kit")
    emit_copier(path)
    return path


def test_lint_of_both_machines_is_clean_and_of_a_machine_without_waivers_is_not(kit, tmp_path):
    emit(Arch(cores=2, columns=2, accumulators=64, weight_words=64), tmp_path)
    for folder, core in ((kit, "hwsim_system"), (tmp_path, "hwsim_top")):
        code, said = fusesoc(folder, "lint", core)
        assert code == 0, said
        assert "%Warning" not in said
    (tmp_path / "hwsim_top.vlt").write_text("`verilator_config\n")
    code, said = fusesoc(tmp_path, "lint", "hwsim_top")
    assert code != 0
    assert "%Warning-UNUSEDSIGNAL" in said


def test_sim_passes_a_machine_that_makes_what_is_expected(kit):
    code, said = fusesoc(kit, "sim")
    assert code == 0, said
    assert "\nPASS: " in said


def test_sim_fails_a_machine_that_does_not(kit, tmp_path):
    wrong = shutil.copytree(kit, tmp_path / "wrong", ignore=shutil.ignore_patterns("build"))
    shutil.copy(wrong / "image.hex", wrong / "expected.hex")
    code, said = fusesoc(wrong, "sim")
    assert code != 0
    assert "FAIL: 150 failures" in said
    assert "PASS" not in said


def test_a_machine_without_a_bench_has_no_target_that_runs_one(kit, tmp_path):
    again = shutil.copytree(kit, tmp_path / "again", ignore=shutil.ignore_patterns("build"))
    emit_system(ARCH, again, Copier())
    code, said = fusesoc(again, "sim")
    assert (code, "sim" in said) == (1, True), said
    assert not (again / "build").exists()
