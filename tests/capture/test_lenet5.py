import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import reference_lenet5

from hwsim.capture import lenet5

RECIPE = Path(__file__).parents[2] / "traces" / "lenet5_digits" / "make.py"


def test_first_parameters_have_their_shapes_and_bounds():
    parameters = lenet5.initial(0)
    assert sum(values.size for values in parameters.values()) == 61_706
    for layer in lenet5.LAYERS:
        weight = parameters[f"{layer.name}.weight"]
        assert weight.shape == layer.weight_shape
        bound = (6 / np.prod(layer.weight_shape[1:])) ** 0.5
        assert 0.9 * bound < np.abs(weight).max() <= bound
    assert not np.array_equal(parameters["fc3.weight"], lenet5.initial(1)["fc3.weight"])


def test_forward_computes_lenet5():
    torch = pytest.importorskip("torch")
    parameters, images = lenet5.initial(2), np.random.default_rng(0).random((3, 1, 32, 32), np.float32)
    tensors = {name: torch.from_numpy(values) for name, values in parameters.items()}
    logits, maps = lenet5.forward(tensors, torch.from_numpy(images))
    for number, image in enumerate(images):
        expected, expected_logits = reference_lenet5.forward(parameters, image)
        assert maps.keys() == expected.keys()
        for name, values in expected.items():
            np.testing.assert_allclose(maps[name][number].numpy(), values, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(logits[number].numpy(), expected_logits, rtol=1e-4, atol=1e-5)


def test_the_recipe_says_in_one_line_that_torch_is_missing(tmp_path):
    (tmp_path / "torch.py").write_text("raise ModuleNotFoundError('torch')\n")
    run = subprocess.run(
        [sys.executable, RECIPE, "--out", tmp_path / "out"],
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1
    assert run.stderr.splitlines() == [
        "error: training needs PyTorch, which is not installed: pip install 'hwsim[train]'"
    ]
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_the_recipe_makes_the_same_bytes_in_every_run(tmp_path):
    pytest.importorskip("torch")
    pytest.importorskip("sklearn")
    runs = [tmp_path / "one", tmp_path / "two"]
    for out in runs:
        subprocess.run([sys.executable, RECIPE, "--out", out], check=True)
    for name in ("baseline.zarr.zip", "sparse.zarr.zip", "baseline.npz", "sparse.npz"):
        assert (runs[0] / name).read_bytes() == (runs[1] / name).read_bytes()
