"""Real layers through the RTL: equal to model and reference, and a difference is noticed."""

import pytest

import hwsim
from hwsim import verify, verify_layers
from hwsim.arch import Arch
from hwsim.cli.main import main
from hwsim.errors import TraceError
from hwsim.machine import passes
from hwsim.machine.compiled import CompiledNetwork
from hwsim.synthetic import synthetic_trace
from hwsim.trace.shipped import shipped_trace

# The core of tests/rtl/test_cosim.py, compiled once; three of them: a part of a map stays on chip, the rest
# comes late.
SMALL = Arch(cores=3, columns=4, accumulators=256, weight_words=640, bytes_per_cycle=2, map_buffer=400)
TOPOLOGY = """Layer, IFMAP Height, IFMAP Width, Filter Height, Filter Width, Channels, Num Filter, Strides,
first, 9, 11, 3, 3, 5, 6, 2,
deep_DP, 7, 7, 3, 3, 6, 1, 1,
wide, 8, 8, 1, 1, 3, 9, 1,
"""
TITLES = TOPOLOGY.splitlines()[0] + " Stride W, Groups, Dilation,"
KINDS = f"""{TITLES}
narrow, 7, 8, 3, 3, 12, 12, 1, 1, 6, 1,
straddling, 6, 7, 3, 2, 10, 14, 1, 1, 2, 1,
multiplier, 6, 9, 3, 3, 5, 15, 1, 2, 5, 1,
dilated, 11, 12, 3, 3, 5, 6, 1, 2, 1, 3,
tall, 19, 17, 11, 9, 2, 6, 5, 3, 1, 1,
dilated_DP, 9, 10, 3, 3, 6, 1, 2, 1, 1, 2,
"""


@pytest.fixture(scope="module")
def lenet():
    with hwsim.open_trace(shipped_trace()) as trace:
        yield trace


def test_every_layer_of_lenet_is_equal_in_cycles_and_bits(lenet):
    checks = list(verify.verify(lenet, SMALL, images=(0, 5)))
    assert [(c.layer, c.mode, c.image) for c in checks] == [
        (layer, mode, image)
        for image in (0, 5)
        for mode in ("skipping", "skipping raw", "dense coded", "dense")
        for layer in ("conv1", "conv2", "fc1", "fc2", "fc3")
    ]
    assert all(check.equal for check in checks)
    assert all(check.cycles == check.model_cycles > 0 for check in checks)
    assert not any(check.made_up for check in checks)


def test_the_cycles_are_those_that_simulate_reports(lenet, monkeypatch):
    # Of a network that is no chain, passes and what holds them up alone take time.
    monkeypatch.setattr(CompiledNetwork, "links", lambda self: None)
    one_core = SMALL.replace(cores=1)
    checks = {check.mode: check for check in verify.verify(lenet, one_core, ["conv2"])}
    simulated = {
        ("skipping", "dense"): one_core,
        ("skipping raw", "dense"): one_core.replace(compress=False),
        ("dense coded", "dense"): one_core.replace(skip_zeros=False),
    }
    found = {}
    for modes, machine in simulated.items():
        (run,) = [run for run in hwsim.simulate(lenet, machine, [0]).layers if run.name == "conv2"]
        found |= dict(zip(modes, (run.skipping, run.dense), strict=True))
    for mode, run in found.items():
        # Between passes the only core waits for weights, and for its slot, which comes within 4 cycles.
        waits = run.cycles - checks[mode].cycles - run.causes["weights"]
        assert 2 * checks[mode].passes <= waits < 4 * checks[mode].passes
    assert len({check.cycles for check in checks.values()}) == len(verify.MODES)


def test_layers_of_every_kind_are_equal_through_their_passes(tmp_path):
    path = tmp_path / "kinds.csv"
    path.write_text(KINDS)
    checks = list(verify.verify(synthetic_trace(str(path), 0.4), SMALL))
    assert len(checks) == 4 * 6
    assert all(check.equal for check in checks)


@pytest.mark.parametrize("density", [0.0, 0.4])
def test_layers_without_weights_get_random_ones_and_are_equal(tmp_path, density):
    path = tmp_path / "small.csv"
    path.write_text(TOPOLOGY)
    checks = list(verify.verify(synthetic_trace(str(path), density), SMALL))
    assert len(checks) == 4 * 3
    assert all(check.equal and check.made_up for check in checks)


def test_another_sum_in_one_accumulator_is_noticed(lenet, monkeypatch):
    accumulate = verify_layers.accumulate

    def one_off(layer, codes, weights, signed):
        sums = accumulate(layer, codes, weights, signed)
        sums.flat[sums.argmax()] //= 2  # a positive one, which ReLU lets through
        return sums

    monkeypatch.setattr(verify_layers, "accumulate", one_off)
    checks = list(verify.verify(lenet, SMALL, ["conv2"]))
    assert all(check.wrong_words == 1 and not check.wrong_cycles for check in checks)


def test_another_cycle_in_the_model_is_noticed(lenet, monkeypatch):
    *others, drain = passes.CONSTANTS
    monkeypatch.setattr(passes, "CONSTANTS", (*others, drain + 1))
    checks = list(verify.verify(lenet, SMALL, ["fc3"]))
    assert all(check.wrong_cycles == check.passes and not check.wrong_words for check in checks)


def test_a_layer_that_is_not_there_is_refused(lenet):
    with pytest.raises(TraceError, match="no layer conv9; it has conv1, conv2"):
        list(verify.verify(lenet, SMALL, ["conv9"]))


def test_the_command_ends_with_0_when_equal_and_with_1_when_not(tmp_path, monkeypatch, capsys):
    machine = tmp_path / "small.toml"
    machine.write_text(SMALL.to_toml())
    arguments = ["verify", "--arch", str(machine), "--layer", "fc3"]
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 0
    assert "equal" in capsys.readouterr().out
    *others, drain = passes.CONSTANTS
    monkeypatch.setattr(passes, "CONSTANTS", (*others, drain + 1))
    with pytest.raises(SystemExit) as end:
        main([*arguments, "--json"])
    captured = capsys.readouterr()
    assert end.value.code == 1
    assert '"equal": false' in captured.out
    assert captured.err.startswith("hwsim: the RTL differs in 4 of 4 layers: first fc3, skipping, image 0")
    assert captured.err.count("\n") == 1
