"""What SOURCE and --weights may be, and one line for everything else."""

import pickle
import sys
import warnings

import numpy as np
import pytest

from hwsim.capture.plan import plan
from hwsim.capture.preprocessing import Preprocessing
from hwsim.errors import CaptureError, HwsimError
from hwsim.networks import get

torch = pytest.importorskip("torch")
from small_networks import Everything, pictures  # noqa: E402

from hwsim.capture.sources import load_weights, open_network, torchvision_models  # noqa: E402


class Bomb:
    """What runs code when it is unpickled."""

    def __reduce__(self):
        return exec, ("raise SystemExit('code of a file was run')",)


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    """The state of one network in every format."""
    folder = tmp_path_factory.mktemp("checkpoints")
    state = Everything(1).state_dict()
    torch.save(state, folder / "plain.pth")
    torch.save(
        {"state_dict": {f"module.{k}": v for k, v in state.items()}, "epoch": 3}, folder / "wrapped.pt"
    )
    np.savez(folder / "arrays.npz", **{k: v.numpy() for k, v in state.items()}, further=np.zeros(3))
    return folder


@pytest.mark.parametrize("name", ["plain.pth", "wrapped.pt", "arrays.npz", "tensors.safetensors"])
def test_checkpoints_of_every_format_fill_a_module(checkpoints, name):
    if name.endswith("safetensors"):
        pytest.importorskip("safetensors.torch").save_file(Everything(1).state_dict(), checkpoints / name)
    module = Everything(0)
    load_weights(module, checkpoints / name)
    for key, tensor in Everything(1).state_dict().items():
        assert torch.equal(module.state_dict()[key], tensor), key


def test_linear_weights_may_be_stored_as_convolutions_of_1x1(tmp_path):
    np.savez(tmp_path / "w.npz", weight=np.arange(6.0).reshape(2, 3, 1, 1), bias=np.zeros(2))
    linear = torch.nn.Linear(3, 2)
    load_weights(linear, tmp_path / "w.npz")
    assert linear.weight.tolist() == [[0, 1, 2], [3, 4, 5]]


def test_wrong_checkpoints_give_one_line(checkpoints, tmp_path):
    (tmp_path / "bomb.pth").write_bytes(pickle.dumps(Bomb()))
    (tmp_path / "text.npz").write_text("nothing")
    np.savez(tmp_path / "objects.npz", weight=np.array([Bomb()], object))
    torch.save(torch.zeros(3), tmp_path / "tensor.pth")
    torch.save(Everything(0), tmp_path / "whole.pth")
    np.savez(tmp_path / "shape.npz", weight=np.zeros((3, 3)), bias=np.zeros(2))
    np.savez(tmp_path / "part.npz", weight=np.zeros((2, 3)))
    for name, words in {
        "none.pth": "there is no file",
        "bomb.pth": "holds more than tensors",
        "text.npz": "cannot be read as a checkpoint",
        "objects.npz": "cannot be read as a checkpoint",
        "tensor.pth": "holds a Tensor",
        "whole.pth": r"perhaps a whole model: to load it would run its code; save model.state_dict()",
        "shape.npz": "weight is (3, 3), the network's (2, 3)",
        "part.npz": "lacks 1 of 2 tensors, bias first",
    }.items():
        with pytest.raises(CaptureError) as error:
            load_weights(torch.nn.Linear(3, 2), tmp_path / name)
        assert words in str(error.value)
        assert "\n" not in str(error.value)
    (tmp_path / "w.doc").write_text("")
    with pytest.raises(CaptureError, match=r"no \.safetensors, \.pth"):
        load_weights(torch.nn.Linear(3, 2), tmp_path / "w.doc")


def test_a_factory_is_imported_and_called(checkpoints):
    network, preprocessing = open_network("small_networks:Everything", checkpoints / "plain.pth")
    assert network.name == "Everything"
    assert preprocessing is None
    assert network.provenance["source"] == "small_networks:Everything"
    assert network.provenance["weights"] == "plain.pth"
    assert len(network.provenance["weights_sha256"]) == 64
    weight = network.module.state_dict()["last.weight"]
    assert torch.equal(weight, Everything(1).last.weight)


def test_a_factory_may_warn_and_torch_is_silent_about_its_own_parts(tmp_path, monkeypatch):
    (tmp_path / "warns_for_hwsim.py").write_text(
        "import warnings\n"
        "from torch import nn\n"
        "def net():\n"
        "    for module in ('torch.ao.nn.utils', 'torchlike'):\n"
        "        warnings.warn_explicit(f'of {module}', UserWarning, 'some.py', 1, module)\n"
        "    return nn.Conv2d(3, 3, 1)\n"
    )
    monkeypatch.chdir(tmp_path)
    with warnings.catch_warnings(record=True) as met:
        warnings.simplefilter("always")
        open_network("warns_for_hwsim:net")
    assert [str(each.message) for each in met] == ["of torchlike"]


def test_a_module_in_the_working_folder_is_found_and_may_say_its_preprocessing(tmp_path, monkeypatch):
    (tmp_path / "mine_for_hwsim.py").write_text(
        "from torch import nn\n"
        "class Net(nn.Conv2d):\n"
        "    preprocessing = {'mean': [0.5], 'std': [0.25], 'crop': 4}\n"
        "    def __init__(self):\n"
        "        super().__init__(3, 2, 1)\n"
        "def broken():\n"
        "    raise KeyError('weights')\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    _, preprocessing = open_network("mine_for_hwsim:Net")
    assert preprocessing == Preprocessing((0.5,), (0.25,), None, 4)
    with pytest.raises(CaptureError, match=r"mine_for_hwsim:broken\(\) failed"):
        open_network("mine_for_hwsim:broken")


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("nonsense", "is no network: give"),
        ("no_such_package:Net", "cannot be imported"),
        ("small_networks:nothing", "cannot be imported"),
        ("small_networks:pictures", "failed"),
        ("builtins:dict", "not a torch"),
        ("none.onnx", "there is no file"),
        ("weights.pth", "has weights, not a network: give package.module:factory with --weights weights.pth"),
    ],
)
def test_what_is_no_source_gives_one_line(source, words):
    if source.endswith(".onnx"):
        pytest.importorskip("onnxruntime")
    with pytest.raises(CaptureError, match=words) as error:
        open_network(source)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("missing", "source", "extra"),
    [
        ("onnx", "model.onnx", "onnx"),
        ("onnxruntime", "model.onnx", "onnx"),
        ("torchvision", "torchvision:resnet18", "train"),
    ],
)
def test_a_missing_extra_is_named(monkeypatch, missing, source, extra):
    for name in [name for name in sys.modules if name.startswith(("hwsim.capture.onnx", "torchvision"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(
        HwsimError, match=rf"{missing}, which is not installed: pip install 'hwsim\[{extra}\]'"
    ):
        open_network(source)


def test_without_torch_one_line_says_what_to_install(monkeypatch):
    for name in [name for name in sys.modules if name.startswith("hwsim.capture.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torch", None)
    from hwsim.capture.sources import open_network as opened

    with pytest.raises(HwsimError, match=r"torch, which is not installed: pip install 'hwsim\[train\]'"):
        opened("mobilenet_v1")


# The project's own networks, and torchvision's: their layers are those of hwsim.networks.


def geometry(layers):
    return [(la.kind, la.in_shape, la.out_shape, la.kernel, la.stride, la.padding) for la in layers]


def test_mobilenet_is_the_geometry_of_the_paper():
    network, preprocessing = open_network("mobilenet_v1")
    assert preprocessing.crop == 224
    found = [known.layer for known in plan(network.graph(pictures(1, shape=(3, 224, 224))[0])).layers]
    expected = get("mobilenet_v1").layers
    assert [layer.name for layer in found] == [layer.name for layer in expected]
    assert geometry(found[:-1]) == geometry(expected[:-1])
    assert found[-1].out_shape == (1001, 1, 1)  # with the background
    assert [(la.input == "image", la.relu, la.output) for la in found] == [
        (la.input == "image", la.relu, la.output) for la in expected
    ]


def test_the_lenet_that_is_trained_has_the_layers_of_ours():
    network, _ = open_network("hwsim.sparsify.networks:LeNet5")
    found = [known.layer for known in plan(network.graph(pictures(1, shape=(1, 28, 28))[0])).layers]
    expected = get("lenet5").layers
    assert [np.prod(layer.weight_shape) for layer in found] == [
        np.prod(layer.weight_shape) for layer in expected
    ]
    assert [layer.out_shape for layer in found] == [layer.out_shape for layer in expected]
    assert (found[0].in_shape, found[0].padding) == ((1, 28, 28), (2, 2))  # 32x32 with the padding


@pytest.mark.parametrize("name", ["resnet18", "inception_v3"])
def test_torchvisions_networks_have_the_geometry_of_ours(name, tmp_path):
    models = torchvision_models()
    module = models.get_model(name, weights=None, **({"init_weights": False} if "inc" in name else {}))
    torch.save(module.state_dict(), tmp_path / "w.pth")
    network, preprocessing = open_network(f"torchvision:{name}", tmp_path / "w.pth")
    size = preprocessing.crop
    assert size == (299 if name == "inception_v3" else 224)
    found = [known.layer for known in plan(network.graph(np.zeros((3, size, size), np.float32))).layers]
    expected = get(name).layers
    assert sorted(geometry(found)) == sorted(geometry(expected))
    assert len({layer.input for layer in found}) == len({layer.input for layer in expected})
    with pytest.raises(CaptureError, match="torchvision has no network"):
        open_network("torchvision:resnet1")


def test_torchvisions_networks_of_segmentation_take_pictures_of_any_size(tmp_path):
    models, name = torchvision_models(), "lraspp_mobilenet_v3_large"
    module = models.get_model(name, weights=None, weights_backbone=None)
    torch.save(module.state_dict(), tmp_path / "w.pth")
    network, preprocessing = open_network(f"torchvision:{name}", tmp_path / "w.pth")
    assert (preprocessing.size, preprocessing.crop) == (520, None)
    found = plan(network.graph(np.zeros((3, 64, 96), np.float32)))
    weights = sum(isinstance(part, torch.nn.Conv2d) for part in network.module.modules())
    assert (len(found.layers), found.left_out) == (weights, ())


@pytest.mark.parametrize("name", ["raft_small", "r3d_18", "fasterrcnn_resnet50_fpn", "quantized_resnet18"])
def test_torchvisions_networks_of_something_else_are_refused_by_name(name):
    with pytest.raises(CaptureError, match=f"no network of pictures '{name}'"):
        open_network(f"torchvision:{name}")
