"""What a capture finds in a PyTorch network: layers, maps, who shares them and who makes them."""

import numpy as np
import pytest

from hwsim.capture.plan import plan
from hwsim.errors import CaptureError

torch = pytest.importorskip("torch")
from small_networks import SHAPE, Everything, Kinds, pictures, seen_by_hooks  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402

from hwsim.capture.torch_network import TorchNetwork  # noqa: E402


class Net(nn.Module):
    """Parts by name, and a function of them and the pictures."""

    def __init__(self, run, **parts: nn.Module) -> None:
        super().__init__()
        self.run = run
        for name, part in parts.items():
            self.add_module(name, part)

    def forward(self, images):
        return self.run(self, images)


def planned(run, skip=False, shape=SHAPE, **parts):
    torch.manual_seed(0)
    return plan(TorchNetwork(Net(run, **parts), "net").graph(pictures(1, shape=shape)[0]), skip)


def layers_of(*arguments, **parts):
    return {known.layer.name: known for known in planned(*arguments, **parts).layers}


@pytest.fixture(scope="module")
def everything():
    network = TorchNetwork(Everything(), "everything")
    return network, plan(network.graph(pictures(1)[0]))


def test_every_layer_is_found_in_the_order_of_the_run(everything):
    _, found = everything
    shapes = {
        known.layer.name: (known.layer.kind, known.layer.in_shape, known.layer.out_shape)
        for known in found.layers
    }
    assert list(shapes.items()) == [
        ("stem", ("conv", (3, 12, 10), (8, 12, 10))),
        ("same.conv1", ("conv", (8, 6, 5), (8, 6, 5))),
        ("same.conv2", ("conv", (8, 6, 5), (8, 6, 5))),
        ("down.conv1", ("conv", (8, 6, 5), (12, 3, 3))),
        ("down.conv2", ("conv", (12, 3, 3), (12, 3, 3))),
        ("down.shortcut.0", ("conv", (8, 6, 5), (12, 3, 3))),
        ("branches.one", ("conv", (12, 3, 3), (4, 3, 3))),
        ("branches.three.0", ("conv", (12, 3, 3), (6, 3, 3))),
        ("branches.pooled", ("conv", (12, 3, 3), (5, 3, 3))),
        ("depthwise", ("depthwise", (15, 3, 3), (15, 1, 1))),
        ("point", ("conv", (15, 1, 1), (10, 1, 1))),
        ("hidden", ("linear", (10, 1, 1), (9, 1, 1))),
        ("last", ("linear", (9, 1, 1), (4, 1, 1))),
    ]


def test_shared_maps_are_listed_once_and_have_their_makers(everything):
    _, found = everything
    assert {known.layer.name: (known.layer.input, known.layer.output) for known in found.layers} == {
        "stem": ("image", "stem"),
        "same.conv1": ("stem", "same.conv1"),
        "same.conv2": ("same.conv1", "same.conv2"),  # the sum with what the shortcut carries
        "down.conv1": ("same.conv2", "down.conv1"),
        "down.conv2": ("down.conv1", None),  # the shortcut, which runs later, completes the sum
        "down.shortcut.0": ("same.conv2", "down.shortcut.0"),
        "branches.one": ("down.shortcut.0", "branches.pooled"),
        "branches.three.0": ("down.shortcut.0", "branches.pooled"),
        "branches.pooled": ("branches.pooled.input", "branches.pooled"),
        "depthwise": ("branches.pooled", "depthwise"),
        "point": ("depthwise", "point"),
        "hidden": ("point", "hidden"),
        "last": ("hidden", None),
    }
    assert len({known.name for known in found.maps}) == len(found.maps) == 11


def test_relu_is_the_layers_own_alone(everything):
    _, found = everything
    without = {known.layer.name for known in found.layers if not known.layer.relu}
    assert without == {"same.conv2", "down.conv2", "down.shortcut.0", "last"}
    ceilings = {known.layer.name: known.ceiling for known in found.layers if known.ceiling < np.inf}
    assert ceilings == {"depthwise": 6}


def test_only_pooling_and_concatenation_leave_codes_as_they_are(everything):
    _, found = everything
    direct = {known.layer.name for known in found.layers if known.direct}
    assert direct == {
        *("stem", "same.conv1", "down.conv1", "branches.one", "branches.three.0", "branches.pooled"),
        *("depthwise", "hidden"),
    }


def test_maps_are_what_enters_the_modules(everything):
    network, found = everything
    image = pictures(2)[1]
    entered, _ = seen_by_hooks(network.module, image)
    values = network.run(image, {known.value for known in found.maps})
    maps = {known.name: values[known.value].reshape(known.shape) for known in found.maps}
    assert entered.keys() == {known.layer.name for known in found.layers}
    for known in found.layers:
        if known.layer.name != "depthwise":
            np.testing.assert_array_equal(maps[known.layer.input], entered[known.layer.name])
    unpadded = entered["depthwise"][:, :-1, :-1]
    np.testing.assert_array_equal(maps["branches.pooled"], unpadded)


def test_batch_normalization_is_folded(everything):
    network, found = everything
    image = pictures(1, 5)[0]
    entered, left = seen_by_hooks(network.module, image, ["down.bn1", "norm", "down.shortcut.1"])
    layers = {known.layer.name: known for known in found.layers}
    for name, norm in (
        ("down.conv1", "down.bn1"),
        ("depthwise", "norm"),
        ("down.shortcut.0", "down.shortcut.1"),
    ):
        mac, part = layers[name].mac, network.module.get_submodule(name)
        made = functional.conv2d(
            torch.from_numpy(entered[name][None]).double(),
            torch.from_numpy(mac.weights),
            torch.from_numpy(mac.bias),
            part.stride,
            part.padding,
            groups=part.groups,
        )
        np.testing.assert_allclose(made[0].numpy(), left[norm], rtol=1e-4, atol=1e-5)


def test_kinds_of_convolutions_have_their_geometry():
    module = Kinds()
    found = plan(TorchNetwork(module, "kinds").graph(pictures(1)[0])).layers
    for known in found:
        layer, part = known.layer, module.get_submodule(known.layer.name)
        assert (layer.kernel, layer.stride, layer.padding) == (part.kernel_size, part.stride, part.padding)
        assert (layer.groups, layer.transposed) == (part.groups, isinstance(part, nn.ConvTranspose2d))
        assert layer.dilation == (part.dilation if layer.kernel != (1, 1) else (1, 1))
    assert [known.layer.kind for known in found].index("depthwise") == 6


def test_functions_count_as_modules_do():
    weights = torch.randn(5, 3, 3, 3)
    found = layers_of(
        lambda net, x: functional.linear(functional.conv2d(x, weights).flatten(1), torch.ones(2, 400))
    )
    assert [(name, known.layer.kind) for name, known in found.items()] == [
        ("conv", "conv"),
        ("linear", "linear"),
    ]
    np.testing.assert_array_equal(found["conv"].mac.weights, weights.numpy())


def test_a_module_that_runs_twice_makes_two_layers():
    found = layers_of(lambda net, x: net.a(net.a(x)), a=nn.Conv2d(3, 3, 1))
    assert [(known.layer.name, known.layer.input) for known in found.values()] == [
        ("a", "image"),
        ("a.2", "a"),
    ]


def test_one_map_in_two_shapes_is_two_maps():
    found = planned(lambda net, x: (net.a(x), net.b(x.flatten(1))), a=nn.Conv2d(3, 2, 1), b=nn.Linear(360, 2))
    assert [(known.name, known.shape) for known in found.maps] == [("image", SHAPE), ("image.2", (360, 1, 1))]


@pytest.mark.parametrize(
    ("padding", "kernel", "expected"),
    [
        ("same", 3, (1, 1)),
        ("same", 4, (1, 1)),
        ("same", (1, 5), (0, 2)),
        ("valid", 2, (0, 0)),
        ((2, 0), 3, (2, 0)),
    ],
)
def test_padding_is_top_and_left(padding, kernel, expected):
    found = layers_of(lambda net, x: net.a(x), a=nn.Conv2d(3, 2, kernel, padding=padding))
    assert found["a"].layer.padding == expected


def test_an_explicit_pad_becomes_the_layers_own():
    found = layers_of(
        lambda net, x: net.a(functional.pad(x, (0, 1, 1, 0))), a=nn.Conv2d(3, 2, 3, 2, padding=(0, 1))
    )
    layer = found["a"].layer
    assert (layer.input, layer.in_shape, layer.padding, layer.out_shape) == (
        "image",
        SHAPE,
        (1, 1),
        (2, 6, 6),
    )


def test_a_pad_wider_than_the_kernel_stays_in_the_map():
    found = layers_of(lambda net, x: net.a(functional.pad(x, (1, 1, 1, 1))), a=nn.Conv2d(3, 2, 1))
    assert (found["a"].layer.in_shape, found["a"].layer.padding) == ((3, 14, 12), (0, 0))


def test_a_pad_before_a_linear_layer_stays_in_the_map():
    found = layers_of(lambda net, x: net.a(functional.pad(x, (0, 1)).flatten(1)), a=nn.Linear(3 * 12 * 11, 2))
    assert found["a"].layer.in_shape == (3 * 12 * 11, 1, 1)


def test_a_pad_that_is_not_of_zeros_stays_in_the_map():
    found = layers_of(lambda net, x: net.a(functional.pad(x, (1, 1, 1, 1), value=1.0)), a=nn.Conv2d(3, 2, 3))
    assert (found["a"].layer.in_shape, found["a"].layer.padding) == ((3, 14, 12), (0, 0))


@pytest.mark.parametrize(
    ("run", "parts", "words"),
    [
        (lambda net, x: net.bad(x[:, :, None]), {"bad": nn.Conv3d(3, 6, 1)}, "3 dimensions"),
        (
            lambda net, x: functional.conv2d(x, x[:, :, :3, :3]),
            {"bad": nn.Identity()},
            "depend on the picture",
        ),
        (
            lambda net, x: x.flatten(2) @ x.flatten(2).transpose(1, 2),
            {"bad": nn.Identity()},
            "depend on the picture",
        ),
    ],
)
def test_what_is_unsupported_is_named_and_left_out_only_if_asked(run, parts, words):
    good = {"good": nn.Conv2d(3, 2, 1), **parts}

    def both(net, x):
        net.good(x)
        return run(net, x)

    with pytest.raises(CaptureError, match=words) as error:
        planned(both, **good)
    assert "--skip-unsupported" in str(error.value)
    assert "\n" not in str(error.value)
    found = planned(both, skip=True, **good)
    assert [known.layer.name for known in found.layers] == ["good"]
    (left_out,) = found.left_out
    assert words in left_out.why
    assert 0 < found.share < 1


def test_a_network_without_layers_says_so():
    with pytest.raises(CaptureError, match="no convolution or linear layer"):
        planned(lambda net, x: x.relu())


def test_what_is_followed_no_further_has_no_output():
    def run(net, x):
        made = net.a(x)
        return net.b((made @ made.transpose(2, 3)).relu())

    found = planned(run, True, a=nn.Conv2d(3, 2, 1), b=nn.Conv2d(2, 2, 1))
    one, two = (known.layer for known in found.layers)
    assert (one.output, one.relu) == (None, False)
    assert two.input == "b.input"


def test_a_relu_that_not_all_of_a_result_passes_is_not_the_layers():
    found = layers_of(
        lambda net, x: (y := net.a(x), net.b(y.relu()), net.c(y)),
        **{name: nn.Conv2d(3, 3, 1) for name in "abc"},
    )
    assert not found["a"].layer.relu
    assert found["b"].layer.input != found["c"].layer.input


def test_a_tensor_that_changes_in_place_is_another_map():
    """The first reader met the values before, the second one those behind the ReLU."""

    def run(net, x):
        y = net.a(x)
        net.b(y)
        return net.c(y.relu_())

    module = Net(run, **{name: nn.Conv2d(3, 3, 1) for name in "abc"})
    network, image = TorchNetwork(module, "net"), pictures(1)[0]
    found = plan(network.graph(image))
    entered, _ = seen_by_hooks(module, image)
    values = network.run(image, {known.value for known in found.maps})
    for known in found.layers:
        value = next(m.value for m in found.maps if m.name == known.layer.input)
        np.testing.assert_array_equal(values[value][0], entered[known.layer.name])
    assert len(found.maps) == 3


def test_memory_that_is_filled_piece_by_piece_is_seen_to_depend_on_the_picture():
    def run(net, x):
        joined = torch.zeros(1, 6, *x.shape[2:])
        joined[:, :3] = net.a(x)
        joined[:, 3:] = x
        return net.b(joined)

    module = Net(run, a=nn.Conv2d(3, 3, 1), b=nn.Conv2d(6, 2, 1))
    network, image = TorchNetwork(module, "net"), pictures(1)[0]
    found = plan(network.graph(image))
    assert [known.layer.name for known in found.layers] == ["a", "b"]
    entered, _ = seen_by_hooks(module, image)
    values = network.run(image, {known.value for known in found.maps})
    np.testing.assert_array_equal(values[found.maps[-1].value][0], entered["b"])


def test_a_network_whose_layers_depend_on_the_picture_is_refused():
    def run(net, x):
        return net.a(x) if x.mean() > 0 else net.a(x.relu())

    network = TorchNetwork(Net(run, a=nn.Conv2d(3, 3, 1)), "moody")
    network.graph(np.ones(SHAPE, np.float32))
    with pytest.raises(CaptureError, match="depend on the picture"):
        network.run(-np.ones(SHAPE, np.float32), ())


def test_a_picture_that_does_not_fit_gives_one_line():
    with pytest.raises(CaptureError, match="does not run on a picture of shape") as error:
        TorchNetwork(Everything(), "everything").graph(np.zeros((1, 12, 10), np.float32))
    assert "\n" not in str(error.value)


def test_what_is_no_module_is_refused():
    with pytest.raises(CaptureError, match="not a torch"):
        TorchNetwork({}, "weights")


class InInferenceMode(nn.Module):
    """A network that runs in inference mode, where torch takes operators apart later."""

    def __init__(self):
        super().__init__()
        self.inner = Everything()

    @torch.inference_mode()
    def forward(self, images):
        return self.inner(images)


def scripted():
    return torch.jit.script(nn.Sequential(*simple().children()))


def simple():
    torch.manual_seed(3)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4, 2),
    ).eval()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("make", "plain"),
    [
        (InInferenceMode, Everything),
        (lambda: torch.jit.trace(Everything().eval(), torch.zeros(1, *SHAPE)), Everything),
        (scripted, simple),
        (lambda: torch.compile(Everything()), Everything),
        (lambda: torch.jit.freeze(torch.jit.script(simple())), simple),
    ],
)
def test_however_a_module_runs_its_layers_are_seen(make, plain):
    image = pictures(1, 4)[0]
    found, maps = [], []
    for module in (make(), plain()):
        network = TorchNetwork(module, "net")
        known = plan(network.graph(image))
        values = network.run(image, {name for map_ in known.maps for name in map_.wanted})
        network.run(pictures(1, 5)[0], ())  # the same operators again
        found.append([(one.layer.kind, one.layer.in_shape, one.layer.out_shape) for one in known.layers])
        maps.append([map_.real(values) for map_ in known.maps])
    assert found[0] == found[1]
    for own, other in zip(*maps, strict=True):
        np.testing.assert_allclose(own, other, rtol=1e-4, atol=1e-5)


@pytest.mark.filterwarnings("ignore")
def test_a_linear_layer_of_dynamic_quantization_keeps_its_integers():
    module = torch.ao.quantization.quantize_dynamic(simple(), {nn.Linear})
    found = plan(TorchNetwork(module, "net").graph(pictures(1)[0]))
    assert [known.layer.kind for known in found.layers] == ["conv", "linear"]
    mac = found.layers[1].mac
    integers = mac.weights / mac.scales[:, None, None, None]
    np.testing.assert_allclose(integers, np.rint(integers), atol=1e-4)
    assert 100 < np.abs(integers).max() < 129


@pytest.mark.filterwarnings("ignore")
def test_attention_is_named_with_its_macs_and_its_projections_are_captured():
    def run(net, x):
        rows = net.patches(x).flatten(2).transpose(1, 2)
        return net.layer(rows)

    layer = nn.TransformerEncoderLayer(8, 2, 12, batch_first=True)
    found = planned(run, True, patches=nn.Conv2d(3, 8, 4, 4), layer=layer)
    tokens = 3 * 2
    assert [known.layer.name for known in found.layers] == [
        *("patches", "layer.self_attn.in_proj", "layer.self_attn.out_proj", "layer.linear1", "layer.linear2"),
    ]
    assert [(entry.layer, entry.macs) for entry in found.left_out] == [
        ("layer.self_attn.bmm", tokens * tokens * 8),
        ("layer.self_attn.bmm.2", tokens * tokens * 8),
    ]
    macs = sum(known.layer.published_macs for known in found.layers)
    assert found.share == pytest.approx(macs / (macs + 2 * tokens * tokens * 8))


@pytest.mark.filterwarnings("ignore")
def test_a_network_quantized_by_pytorch_says_what_to_hand_over():
    module = nn.Sequential(
        torch.ao.quantization.QuantStub(), nn.Conv2d(3, 4, 3), torch.ao.quantization.DeQuantStub()
    )
    module.eval().qconfig = torch.ao.quantization.get_default_qconfig("onednn")
    ready = torch.ao.quantization.prepare(module)
    ready(torch.zeros(1, *SHAPE))
    with pytest.raises(
        CaptureError, match="PyTorch's own quantization: give the float network, or export it"
    ):
        plan(TorchNetwork(torch.ao.quantization.convert(ready), "net").graph(pictures(1)[0]))


def test_an_operator_that_is_not_known_is_refused_by_name():
    """Its MACs are not known, and said to be neither few nor many."""
    with pytest.raises(CaptureError, match="_cdist_forward is an operator that may hold MACs") as error:
        planned(lambda net, x: torch.cdist(x, net.a(x)), a=nn.Conv2d(3, 3, 1))
    assert "an unknown share of the MACs: leave it out with --skip-unsupported" in str(error.value)


def test_a_convolution_of_one_dimension_lies_along_x():
    found = layers_of(lambda net, x: net.a(x.flatten(2)), a=nn.Conv1d(3, 6, 3, 2, 1))
    layer = found["a"].layer
    assert (layer.in_shape, layer.out_shape, layer.kernel) == ((3, 1, 120), (6, 1, 60), (1, 3))
    assert (layer.stride, layer.padding) == ((2, 2), (0, 1))
