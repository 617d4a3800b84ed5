"""A run that is killed at its steps, again and again, ends in the files of an uninterrupted one."""

import json

import pytest
from deaths import deaths

torch = pytest.importorskip("torch")

from tiny_networks import bars_data  # noqa: E402

from hwsim.sparsify.folder import open_run  # noqa: E402
from hwsim.sparsify.run import sparsify  # noqa: E402
from hwsim.sparsify.settings import Settings  # noqa: E402

SETTINGS = Settings("tiny_networks:Tiny", epochs=2, tune_epochs=1, alphas=(1.0,))


def timeless(value):
    """Without seconds."""
    if isinstance(value, dict):
        return {key: timeless(part) for key, part in value.items() if "seconds" not in key}
    return [timeless(part) for part in value] if isinstance(value, list) else value


def files(folder):
    """What a run leaves, without what it measures of time, and the pictures of its curves."""
    return {path.name: path.read_bytes() for path in folder.glob("*.safetensors")} | {
        "run.json": timeless(json.loads((folder / "run.json").read_text()))
    }


@pytest.fixture(autouse=True)
def one_thread():
    """A killed run is a fork, and a fork has none of the threads that OpenMP waits for."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.slow
@pytest.mark.parametrize("torn", [False, True])
def test_a_run_that_is_killed_again_and_again_comes_to_its_end(tmp_path, torn):
    data = bars_data()
    sparsify(SETTINGS, data, tmp_path / "whole", tell=lambda _: None)  # first, so that all is compiled

    def work() -> None:
        sparsify(SETTINGS, data, tmp_path / "killed", resume=True, tell=lambda _: None)

    times = 0
    for _ in deaths(work, torn, again=True):
        times += 1
        if (tmp_path / "killed/run.json").exists():
            for variant in open_run(tmp_path / "killed").variants:
                open_run(tmp_path / "killed").module(variant)  # what it names is whole
    assert times > 5
    assert files(tmp_path / "killed") == files(tmp_path / "whole")
    assert not list((tmp_path / "killed").rglob("*.partial"))
