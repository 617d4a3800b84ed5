"""Quantized maps in the loop: what a network answers whose values are rounded as they are made."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hwsim.capture.calibration import calibrate_network
from hwsim.capture.map_code import MapCode
from hwsim.capture.plan import plan
from hwsim.errors import CaptureError
from hwsim.quantize import dequantize, integers, quantize_map
from hwsim.reference import accumulate, run_layer
from hwsim.reproduce.rounding import Rounding, rounding_of

torch = pytest.importorskip("torch")
from small_networks import SHAPE, Everything, pictures  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402

from hwsim.capture.torch_network import TorchNetwork  # noqa: E402
from hwsim.reproduce.torch_loop import TorchLoop, round_to  # noqa: E402
from hwsim.sparsify.networks import LeNet5  # noqa: E402

FLIP = 0.02  # of the largest logit: what a value beside a tie, rounded otherwise, may do


def prepared(network, images, bits):
    graph = network.graph(images[0])
    found = plan(graph)
    done = calibrate_network(network, found, images, bits)
    return found, done, rounding_of(graph, found, done)


class ByHand:
    """Everything, quantized by plain torch, layer by layer, from the calibration alone."""

    def __init__(self, module, found, done):
        self.module, self.done = module, done
        self.layers = {known.layer.name: known for known in found.layers}

    def rounded(self, values, info):
        codes = quantize_map(values.numpy(), info.scale, info.bits, info.signed)
        return torch.from_numpy(dequantize(codes, info.scale, info.signed).astype(np.float32))

    def read(self, name, values):
        """A map as the layer that is named reads it."""
        return self.rounded(values, self.done.maps[self.layers[name].layer.input])

    def layer(self, name, values):
        known, made = self.layers[name], self.done.layers[name]
        values = self.read(name, values)
        scales = made.scales.reshape(-1, 1, 1, 1)
        weights = torch.from_numpy((made.weights * scales).astype(np.float32))
        unit = made.scales * self.done.maps[known.layer.input].scale
        bias = torch.from_numpy((made.requantize.bias * unit).astype(np.float32))
        part = self.module.get_submodule(name)
        if isinstance(part, nn.Linear):
            out = functional.linear(values, weights.flatten(1), bias)
        else:
            out = functional.conv2d(values, weights, bias, part.stride, part.padding, groups=part.groups)
        if known.direct or known.layer.output is None:
            return out
        drain = made.requantize
        return self.rounded(out, MapCode(drain.bits, drain.signed, made.out_scale))

    def answer(self, batch):
        with torch.no_grad():
            x = functional.relu(functional.max_pool2d(self.layer("stem", batch), 2))
            x = self.read("same.conv1", x)
            x = functional.relu(self.layer("same.conv2", functional.relu(self.layer("same.conv1", x))) + x)
            x = self.read("down.conv1", x)
            shortcut = self.layer("down.shortcut.0", x)
            x = functional.relu(
                self.layer("down.conv2", functional.relu(self.layer("down.conv1", x))) + shortcut
            )
            x = self.read("branches.one", x)
            parts = [
                self.layer("branches.one", x),
                self.layer("branches.three.0", x),
                self.layer("branches.pooled", functional.avg_pool2d(x, 3, 1, 1)),
            ]
            x = torch.cat([functional.relu(part) for part in parts], 1)
            x = self.read("depthwise", x)
            x = functional.relu6(self.layer("depthwise", functional.pad(x, (0, 1, 0, 1))))
            x = functional.adaptive_avg_pool2d(functional.relu(self.layer("point", x)), 1).flatten(1)
            return self.layer("last", self.layer("hidden", x).relu()).numpy()


@pytest.mark.parametrize("bits", [16, 8, 4])
@pytest.mark.parametrize("seed", [0, 1])
def test_a_network_with_branches_and_sums_answers_as_if_quantized_by_hand(bits, seed):
    images = pictures(6, seed)
    network = TorchNetwork(Everything(seed), "everything")
    found, done, rounding = prepared(network, images[:3], bits)
    batch = np.stack(images)
    expected = ByHand(network.module, found, done).answer(torch.from_numpy(batch))
    answers = TorchLoop(network, images[0]).logits(batch, rounding)
    np.testing.assert_allclose(answers, expected, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("bits", [12, 8, 6])
def test_lenet5_answers_as_integer_arithmetic_does(bits):
    rng = np.random.default_rng(bits)
    images = [rng.random((1, 28, 28), np.float32) for _ in range(4)]
    torch.manual_seed(bits)
    network = TorchNetwork(LeNet5(), "lenet5")
    found, done, rounding = prepared(network, images, bits)
    answers = TorchLoop(network, images[0]).logits(np.stack(images), rounding)
    for image, answer in zip(images, answers, strict=True):
        info = done.maps["image"]
        codes = quantize_map(image, info.scale, bits, info.signed)
        for known in found.layers:
            layer, made = known.layer, done.layers[known.layer.name]
            info = done.maps[layer.input]
            codes = codes.reshape(layer.in_shape)
            if layer.output is None:
                sums = accumulate(layer, codes, made.weights, info.signed).ravel() + made.requantize.bias
                expected = sums * made.scales * info.scale
            else:
                codes = run_layer(layer, codes, made.weights, made.requantize, info.signed)
                if layer.name in ("conv1", "conv2"):
                    codes = np.maximum.reduce([codes[:, y::2, x::2] for y in (0, 1) for x in (0, 1)])
        np.testing.assert_allclose(answer, expected, atol=FLIP * np.abs(expected).max())


def test_layers_read_nothing_but_codes_in_the_loop():
    images = pictures(4, 3)
    network = TorchNetwork(Everything(3), "everything")
    found, done, rounding = prepared(network, images[:2], 5)
    read = {}
    for name, part in network.module.named_modules():
        if isinstance(part, nn.Conv2d | nn.Linear):
            part.register_forward_pre_hook(lambda _, given, n=name: read.setdefault(n, given[0]))
    loop = TorchLoop(network, images[0])
    read.clear()
    loop.logits(np.stack(images), rounding)
    assert len(read) == len(found.layers)
    for known in found.layers:
        info = done.maps[known.layer.input]
        codes = read[known.layer.name].numpy() / info.scale
        np.testing.assert_allclose(codes, np.rint(codes), atol=1e-4)
        assert np.abs(codes).max() <= (15 if info.signed else 31) + 1e-4


def test_without_rounding_the_answers_are_the_networks_own():
    images = pictures(3)
    network = TorchNetwork(Everything(), "everything")
    with torch.no_grad():
        own = network.module(torch.from_numpy(np.stack(images))).numpy()
    np.testing.assert_array_equal(TorchLoop(network, images[0]).logits(np.stack(images)), own)


def test_a_batch_is_answered_as_its_pictures_are_one_by_one():
    images = pictures(5, 2)
    network = TorchNetwork(Everything(2), "everything")
    *_, rounding = prepared(network, images[:2], 10)
    loop = TorchLoop(network, images[0])
    one_by_one = np.concatenate([loop.logits(image[None], rounding) for image in images])
    together = loop.logits(np.stack(images), rounding)
    np.testing.assert_allclose(together, one_by_one, atol=FLIP * np.abs(together).max())


def test_a_network_is_as_it_was_after_the_loop():
    images = pictures(3)
    network = TorchNetwork(Everything(), "everything")
    *_, rounding = prepared(network, images, 4)
    loop, batch = TorchLoop(network, images[0]), np.stack(images)
    before, given_pictures = loop.logits(batch), batch.copy()
    loop.logits(batch, rounding)
    np.testing.assert_array_equal(loop.logits(batch), before)
    np.testing.assert_array_equal(batch, given_pictures)


@given(
    arrays(np.float32, 20, elements=st.floats(-100, 100, width=32)),
    st.integers(2, 16),
    st.booleans(),
    st.integers(1 << 11, (1 << 12) - 1),
)
def test_rounding_is_that_of_the_codes_and_changes_nothing_the_second_time(values, bits, signed, digits):
    code = MapCode(bits, signed, digits * 2.0**-12)  # a scale of few digits, as calibration chooses them
    rounded = torch.from_numpy(values.copy())
    round_to(rounded, code)
    steps = rounded.numpy().astype(np.float64) / code.scale
    wanted = values.astype(np.float64) / code.scale
    exact = integers(quantize_map(values, code.scale, bits, signed), signed)
    beside_a_tie = np.abs(np.abs(wanted - np.rint(wanted)) - 0.5) < 1e-3
    np.testing.assert_allclose(steps[~beside_a_tie], exact[~beside_a_tie], atol=0.01)
    again = rounded.clone()
    round_to(again, code)
    np.testing.assert_array_equal(again.numpy(), rounded.numpy())


class Fickle(nn.Module):
    """Another operator for several pictures than for one."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(3, 2)

    def forward(self, images):
        values = images.mean((2, 3))
        return self.fc(values if len(images) == 1 else values.relu())


class TwoAnswers(Fickle):
    """Two outputs."""

    def forward(self, images):
        return self.fc(images.mean((2, 3))), images


@pytest.mark.parametrize(
    ("module", "reason"), [(Fickle(), "other operators"), (TwoAnswers(), "not one tensor of logits")]
)
def test_a_network_that_cannot_be_run_in_batches_is_named(module, reason):
    images = pictures(2)
    network = TorchNetwork(module, "net")
    *_, rounding = prepared(network, images, 8)
    with pytest.raises(CaptureError, match=reason):
        TorchLoop(network, images[0]).logits(np.stack(images), rounding)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Everything as an ONNX model, batch normalization apart, any number of pictures."""
    pytest.importorskip("onnxruntime")
    onnx = pytest.importorskip("onnx")
    path = tmp_path_factory.mktemp("onnx") / "everything.onnx"
    torch.onnx.export(
        Everything().eval(),
        (torch.zeros(1, *SHAPE),),
        str(path),
        dynamo=False,
        input_names=["images"],
        dynamic_axes={"images": {0: "batch"}},
        do_constant_folding=False,
        training=torch.onnx.TrainingMode.PRESERVE,
    )
    assert "BatchNormalization" in {node.op_type for node in onnx.load(path).graph.node}
    return path


def onnx_loop(path):
    from hwsim.capture.onnx_network import OnnxNetwork
    from hwsim.reproduce.onnx_loop import OnnxLoop

    network = OnnxNetwork(path)
    return network, OnnxLoop(network)


@pytest.mark.parametrize("bits", [16, 12, 8, 4])
def test_onnx_and_torch_give_the_same_answers(model, bits):
    images = pictures(6)
    batch, torch_network = np.stack(images), TorchNetwork(Everything(), "everything")
    answers = []
    for network, loop in ((torch_network, TorchLoop(torch_network, images[0])), onnx_loop(model)):
        answers.append((loop.logits(batch), loop.logits(batch, prepared(network, images[:3], bits)[2])))
    (own, ours), (their_own, theirs) = answers
    np.testing.assert_allclose(their_own, own, atol=1e-5)
    np.testing.assert_allclose(theirs, ours, atol=FLIP * np.abs(ours).max())
    rounded = np.median(np.abs(ours - own))
    assert np.median(np.abs(theirs - ours)) < rounded / 10


@pytest.mark.parametrize("signed", [False, True])
def test_nodes_round_and_clamp_as_codes_do(signed):
    onnx, runtime = pytest.importorskip("onnx"), pytest.importorskip("onnxruntime")
    from hwsim.reproduce.onnx_loop import rounded_model

    def value(name):
        return onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [None])

    steps = [onnx.helper.make_node("Identity", [a], [b]) for a, b in (("in", "x"), ("x", "out"))]
    graph = onnx.helper.make_graph(steps, "graph", [value("in")], [value("out")])
    opset = [onnx.helper.make_opsetid("", 17)]
    code = MapCode(4, signed, 0.375)
    changed = rounded_model(
        onnx.helper.make_model(graph, opset_imports=opset, ir_version=8), Rounding({"x": code}, {})
    )
    values = np.linspace(-9, 9, 200, dtype=np.float32)
    session = runtime.InferenceSession(changed.SerializeToString(), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"in": values})
    np.testing.assert_allclose(found, dequantize(code.of(values), code.scale, signed))


def test_a_model_of_one_picture_at_a_time_is_run_so(model, tmp_path):
    import onnx

    changed = onnx.load(model)
    changed.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    onnx.save(changed, tmp_path / "one.onnx")
    images = np.stack(pictures(3))
    fixed, free = (onnx_loop(path)[1] for path in (tmp_path / "one.onnx", model))
    np.testing.assert_allclose(fixed.logits(images), free.logits(images), atol=1e-5)


def test_a_model_older_than_rounding_is_refused(model, tmp_path):
    import onnx

    old = onnx.load(model)
    old.opset_import[0].version = 10
    onnx.save(old, tmp_path / "old.onnx")
    with pytest.raises(CaptureError, match="opset 10: export it with 11"):
        onnx_loop(tmp_path / "old.onnx")
