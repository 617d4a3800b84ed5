"""What a model takes: layouts, types and batches are found out; what cannot be is told by its cause."""

import hashlib

import numpy as np
import pytest

from hwsim.capture.plan import plan
from hwsim.capture.preprocessing import Preprocessing
from hwsim.errors import CaptureError

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
from onnx import TensorProto, helper  # noqa: E402
from onnx_models import CONVOLUTIONS, KERNEL, WEIGHTS, saved  # noqa: E402

from hwsim.capture.onnx_network import OnnxNetwork  # noqa: E402

IMAGE = np.random.default_rng(1).random((3, 8, 6)).astype(np.float32)
CHANNELS_FIRST = helper.make_node("Transpose", ["x"], ["t"], perm=[0, 3, 1, 2])
BEHIND_TRANSPOSE = (CHANNELS_FIRST, helper.make_node("Conv", ["t", "w"], ["y"], name="one"))


def maps_of(network, image=IMAGE):
    """Layers, and the maps by name, of a network."""
    found = plan(network.graph(image))
    values = network.run(image, {name for known in found.maps for name in known.wanted})
    return found, {known.name: known.real(values) for known in found.maps}


@pytest.fixture
def plain(tmp_path):
    return maps_of(OnnxNetwork(saved(tmp_path / "plain.onnx", CONVOLUTIONS, WEIGHTS)))


def assert_alike(one, other, rtol=1e-6):
    """The same layers and maps."""
    for own, theirs in zip(one[0].layers, other[0].layers, strict=True):
        assert own.layer == theirs.layer
    for name, values in one[1].items():
        np.testing.assert_allclose(values, other[1][name], rtol=rtol, atol=rtol)


@pytest.mark.parametrize(
    "shape", [(1, 8, 6, 3), (None, 8, 6, 3), (None, None, None, None), ("n", "h", "w", 3)]
)
def test_channels_may_come_last(tmp_path, plain, shape):
    nodes = (
        CHANNELS_FIRST,
        helper.make_node("Conv", ["t", "w"], ["c"], name="one", pads=[1, 1, 1, 1]),
        *CONVOLUTIONS[1:],
    )
    network = OnnxNetwork(saved(tmp_path / "m.onnx", nodes, WEIGHTS, shape))
    assert_alike(plain, maps_of(network))
    assert network.input.layout == "nhwc"


def test_a_layout_that_the_model_leaves_open_must_be_said(tmp_path):
    """Of a picture as large as it has channels, both run."""
    path = saved(tmp_path / "m.onnx", CONVOLUTIONS, WEIGHTS, (1, 3, None, 3))
    square = np.random.default_rng(0).random((3, 3, 3)).astype(np.float32)
    with pytest.raises(CaptureError, match="channels first and last: say which with --layout"):
        OnnxNetwork(path).graph(square)
    assert len(plan(OnnxNetwork(path, layout="nchw").graph(square)).layers) == 2


def test_constants_may_stand_among_the_inputs(tmp_path, plain):
    """As in every model of ONNX's format before version 4; one of these weights is computed by nodes."""
    halves = {"half": WEIGHTS["w"] / 2, "two": np.float32(2), "v": WEIGHTS["v"]}
    nodes = (helper.make_node("Mul", ["half", "two"], ["w"]), *CONVOLUTIONS)
    path = saved(tmp_path / "m.onnx", nodes, halves, opsets={"": 9})
    model = onnx.load(path)
    model.ir_version = 3
    for tensor in model.graph.initializer:
        model.graph.input.append(helper.make_tensor_value_info(tensor.name, TensorProto.FLOAT, tensor.dims))
    onnx.save(model, path)
    assert_alike(plain, maps_of(OnnxNetwork(path)))


def test_half_floats(tmp_path, plain):
    halves = {name: value.astype(np.float16) for name, value in WEIGHTS.items()}
    half = TensorProto.FLOAT16
    network = OnnxNetwork(saved(tmp_path / "m.onnx", CONVOLUTIONS, halves, kind=half, output=("y", half)))
    assert_alike(plain, maps_of(network), rtol=0.02)


def test_bytes_are_a_map_of_8_bits(tmp_path):
    nodes = (
        helper.make_node("Cast", ["x"], ["f"], to=TensorProto.FLOAT),
        helper.make_node("Conv", ["f", "w"], ["y"], name="one"),
    )
    network = OnnxNetwork(saved(tmp_path / "m.onnx", nodes, WEIGHTS, kind=TensorProto.UINT8))
    assert network.preprocessing == Preprocessing(white=255)
    picture = np.random.default_rng(0).integers(0, 256, (3, 8, 6), np.uint8)
    image = network.preprocessing.apply(picture, "p")
    np.testing.assert_array_equal(image, picture)
    found, maps = maps_of(network, image)
    own = found.maps[0].own
    assert (own.bits, own.signed, own.scale) == (8, False, 1)
    np.testing.assert_array_equal(maps["image"], picture)
    with pytest.raises(CaptureError, match="takes uint8, whole numbers from 0 to 255: give 8-bit pic"):
        network.graph(IMAGE)


def test_a_network_of_signed_bytes_is_not_said_to_take_8_bit_pictures(tmp_path):
    nodes = (
        helper.make_node("Cast", ["x"], ["f"], to=TensorProto.FLOAT),
        helper.make_node("Conv", ["f", "w"], ["y"], name="one"),
    )
    network = OnnxNetwork(saved(tmp_path / "m.onnx", nodes, WEIGHTS, kind=TensorProto.INT8))
    with pytest.raises(CaptureError, match=r"int8, whole numbers from -128 to 127: give arrays of such"):
        network.graph(np.full_like(IMAGE, 200))


def test_a_fixed_batch_is_made_one(tmp_path, plain):
    network = OnnxNetwork(saved(tmp_path / "m.onnx", CONVOLUTIONS, WEIGHTS, (4, 3, 8, 6)))
    assert_alike(plain, maps_of(network))


def test_a_fixed_batch_in_shapes_is_made_one(tmp_path):
    nodes = (
        *CONVOLUTIONS[:2],
        helper.make_node("Reshape", ["r", "s"], ["f"]),
        helper.make_node("MatMul", ["f", "m"], ["y"]),
    )
    constants = {"w": KERNEL, "s": np.array([4, 192]), "m": np.ones((192, 5), np.float32)}
    network = OnnxNetwork(saved(tmp_path / "m.onnx", nodes, constants, (4, 3, 8, 6)))
    found, _ = maps_of(network)
    assert [known.layer.in_shape for known in found.layers] == [(3, 8, 6), (192, 1, 1)]


def test_a_fixed_batch_whose_pictures_the_model_mixes_is_told(tmp_path):
    nodes = (
        *CONVOLUTIONS[:2],
        helper.make_node("Reshape", ["r", "s"], ["f"]),
        helper.make_node("MatMul", ["f", "m"], ["y"]),
    )
    constants = {"w": KERNEL, "s": np.array([2, 384]), "m": np.ones((384, 5), np.float32)}
    path = saved(tmp_path / "n.onnx", nodes, constants, (4, 3, 8, 6))
    with pytest.raises(CaptureError, match="made for 4 pictures at once"):
        OnnxNetwork(path).graph(IMAGE)


@pytest.mark.parametrize(
    ("shape", "picture", "words"),
    [
        ((1, 3, 12, 12), (3, 8, 6), "takes pictures of 12x12, these have 8x6: give --size 12 --crop 12"),
        ((1, 3, 12, 9), (3, 8, 6), "takes pictures of 12x9, these have 8x6: give pictures of 12x9"),
        ((1, 3, 8, 6), (1, 8, 6), "takes pictures of 3 channels, these have 1"),
    ],
)
def test_a_picture_that_does_not_fit_is_told_by_its_cause(tmp_path, shape, picture, words, capfd):
    network = OnnxNetwork(saved(tmp_path / "m.onnx", CONVOLUTIONS, WEIGHTS, shape))
    with pytest.raises(CaptureError, match=words):
        network.graph(np.zeros(picture, np.float32))
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("nodes", "constants"),
    [
        ([helper.make_node("Conv", ["x", "w"], ["y"])], {"w": np.ones((2, 3, 9, 9), np.float32)}),
        ([helper.make_node("Conv", ["x", "w"], ["y"])], {"w": np.ones((2, 5, 3, 3), np.float32)}),
        ([helper.make_node("Nonsense", ["x"], ["y"])], {}),
        ([helper.make_node("Relu", ["nowhere"], ["y"])], {}),
        (
            [helper.make_node("Conv", ["x", "w"], ["c"]), helper.make_node("Div", ["c", "zero"], ["y"])],
            {"w": KERNEL, "zero": np.zeros(1, np.float32)},
        ),
    ],
)
def test_what_cannot_run_is_one_printable_line_and_nothing_beside_it(tmp_path, nodes, constants, capfd):
    network = OnnxNetwork(saved(tmp_path / "m.onnx", nodes, constants))
    with pytest.raises(CaptureError) as error:
        plan(network.graph(IMAGE))
    assert str(error.value).isprintable()
    assert "--size" not in str(error.value)
    assert capfd.readouterr().err == ""


@pytest.mark.filterwarnings("error")
def test_the_digest_covers_weights_beside_the_model_and_missing_ones_are_named(tmp_path):
    weights = {"w": np.random.default_rng(2).standard_normal((64, 3, 3, 3)).astype(np.float32)}
    node = helper.make_node("Conv", ["x", "w"], ["y"])
    model = onnx.load(saved(tmp_path / "all.onnx", [node], weights))
    path = tmp_path / "m.onnx"
    onnx.save(model, path, save_as_external_data=True, location="m.weights", size_threshold=0)
    both = path.read_bytes() + (tmp_path / "m.weights").read_bytes()
    network = OnnxNetwork(path)
    assert network.provenance["model_sha256"] == hashlib.sha256(both).hexdigest()
    np.testing.assert_array_equal(plan(network.graph(IMAGE)).layers[0].mac.weights, weights["w"])
    (tmp_path / "m.weights").rename(tmp_path / "elsewhere")
    with pytest.raises(CaptureError, match=r"has weights in m\.weights, which is missing: put it beside"):
        OnnxNetwork(path)


def test_weights_outside_the_models_folder_are_not_read(tmp_path):
    model = onnx.load(saved(tmp_path / "all.onnx", [helper.make_node("Conv", ["x", "w"], ["y"])], WEIGHTS))
    (tmp_path / "inner").mkdir()
    (tmp_path / "secret").write_bytes(b"\0" * 10000)
    path = tmp_path / "inner" / "m.onnx"
    onnx.save(model, path, save_as_external_data=True, location="near", size_threshold=0)
    model = onnx.load(path, load_external_data=False)
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = "../secret"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(CaptureError):
        OnnxNetwork(path)


def test_metadata_tell_of_channels_and_range(tmp_path):
    path = saved(tmp_path / "m.onnx", CONVOLUTIONS, WEIGHTS)
    model = onnx.load(path)
    helper.set_model_props(
        model, {"Image.BitmapPixelFormat": "Bgr8", "Image.NominalPixelRange": "NominalRange_0_255"}
    )
    onnx.save(model, path)
    assert OnnxNetwork(path).preprocessing == Preprocessing(bgr=True, white=255)


def test_a_model_of_two_inputs_or_of_none_that_is_a_picture_is_told(tmp_path):
    model = onnx.load(saved(tmp_path / "m.onnx", CONVOLUTIONS, WEIGHTS))
    model.graph.input.append(helper.make_tensor_value_info("mask", TensorProto.FLOAT, [1]))
    onnx.save(model, tmp_path / "two.onnx")
    with pytest.raises(CaptureError, match=r"has 2 inputs \(x, mask\)"):
        OnnxNetwork(tmp_path / "two.onnx")
    with pytest.raises(CaptureError, match="takes int64 of shape 1x9, no picture"):
        OnnxNetwork(saved(tmp_path / "t.onnx", CONVOLUTIONS, WEIGHTS, (1, 9), TensorProto.INT64))
