"""Plans of graphs made by hand: names, what is folded, what is left out and how much of the MACs that is."""

from dataclasses import replace

import numpy as np
import pytest

from hwsim.capture.graph import Graph, Lattice, Mac, Operator
from hwsim.capture.plan import plan
from hwsim.capture.views import Step
from hwsim.errors import CaptureError
from hwsim.trace.provenance import LeftOut

SHAPES = {"x": (1, 2, 4, 4), **dict.fromkeys(("made", "scaled", "cut", "lost", "more"), (1, 3, 4, 4))}


def pointwise(name: str, source: str, output: str, channels: int) -> Operator:
    """Three filters of 1x1 whose weights are 1, 2, 3, ..., with biases 10, 20, 30."""
    weights = np.arange(1, 1 + 3 * channels, dtype=np.float64).reshape(3, channels, 1, 1)
    return Operator("mac", (source,), output, name, Mac("conv", weights, np.array([10.0, 20.0, 30.0])))


FIRST = pointwise("first", "x", "made", 2)  # 16 pixels x 3 filters x 2 channels: 96 MACs
SCALE = Operator(
    "scale",
    ("made",),
    "scaled",
    factor=np.array([2.0, 3.0, 4.0]).reshape(1, 3, 1, 1),
    offset=np.array([1.0, 0.0, -1.0]).reshape(1, 3, 1, 1),
)
CUT = Operator("relu", ("scaled",), "cut", ceiling=6.0)
SECOND = pointwise("second", "cut", "last", 3)  # 144 MACs
STRANGE = Operator("unsupported", ("cut",), "lost", "strange", reason="attention", macs=80)


def graph(*operators: Operator) -> Graph:
    return Graph("x", operators, SHAPES | {"last": (1, 3, 4, 4), "less": (1, 3, 2, 2), "small": (1, 3, 2, 2)})


def test_a_map_bears_the_name_of_its_maker_and_what_follows_a_layer_is_folded_into_it():
    planned = plan(graph(FIRST, SCALE, CUT, SECOND))
    first, second = planned.layers
    assert [(known.name, known.value, known.shape) for known in planned.maps] == [
        ("image", "x", (2, 4, 4)),
        ("first", "cut", (3, 4, 4)),
    ]
    assert (first.layer.input, first.layer.output, first.layer.also) == ("image", "first", ())
    assert (second.layer.input, second.layer.output) == ("first", None)
    assert (first.layer.relu, first.ceiling, first.direct, first.code) == (True, 6.0, True, ("map", "first"))
    assert (second.layer.relu, second.ceiling) == (False, np.inf)
    assert (second.direct, second.code) == (False, ("result", "second"))
    assert not first.reordered
    # Batch normalization: weights times its factor, biases times its factor and with its offset.
    assert first.mac.weights.ravel().tolist() == [1 * 2, 2 * 2, 3 * 3, 4 * 3, 5 * 4, 6 * 4]
    assert first.mac.bias.tolist() == [10 * 2 + 1, 20 * 3, 30 * 4 - 1]
    made = np.arange(48.0).reshape(1, 3, 4, 4)
    assert first.real({"made": made})[:, 0, 1].tolist() == [1 * 2 + 1, 17 * 3, 33 * 4 - 1]
    assert second.real({"last": made})[:, 0, 1].tolist() == [1, 17, 33]
    assert [known.wanted for known in planned.maps] == [("x",), ("cut",)]
    assert planned.share == 1
    assert planned.left_out == ()


@pytest.mark.parametrize(("shape", "reordered"), [((3, 16), True), ((3, 2, 8), True), ((3, 4, 4), False)])
def test_a_result_that_is_scaled_in_another_shape_stands_otherwise_than_in_the_network(shape, reordered):
    seen = Operator("view", ("made",), "cut", steps=(Step("reshape", (1, *shape)),))
    factor = np.array([2.0, 3.0, 4.0]).reshape(3, *[1] * (len(shape) - 1))
    scale = replace(SCALE, inputs=("cut",), factor=factor, offset=np.zeros(1))
    shapes = SHAPES | dict.fromkeys(("cut", "scaled"), (1, *shape))
    (first,) = plan(Graph("x", (FIRST, seen, scale), shapes)).layers
    assert (first.result, first.reordered) == ("scaled", reordered)
    assert first.factor.tolist() == [2, 3, 4]


@pytest.mark.parametrize(
    ("read", "captured"),
    [
        (Lattice(0.5, 3, 0, 255), False),
        (Lattice(0.5, 3, -128, 127), False),  # the same integers, whatever their bounds
        (Lattice(0.25, 3, 0, 255), True),
        (Lattice(0.5, 4, 0, 255), True),
        (None, False),
    ],
)
def test_integers_that_a_layer_takes_for_other_numbers_are_captured(read, captured):
    quantize = Operator("quantize", ("made",), "cut", lattice=Lattice(0.5, 3, 0, 255))
    flow = plan(graph(FIRST, quantize, replace(SECOND, reads=read))).between
    reason = "integers read with another scale than they are made with"
    assert flow.captured == ({"first": reason} if captured else {})
    assert list(flow.maps) == ([] if captured else ["first"])


def test_of_two_maps_of_a_layer_the_one_whose_codes_it_makes_comes_first():
    mean = Operator("blend", ("made",), "less")  # of several values, so not of the codes that the drain makes
    layers = (pointwise("second", "less", "small", 3), pointwise("third", "made", "more", 3))
    planned = plan(graph(FIRST, mean, *layers))
    values = {known.name: known.value for known in planned.maps}
    first = planned.layers[0]
    assert first.direct
    assert [values[name] for name in first.layer.makes] == ["made", "less"]


def test_a_map_that_no_layer_makes_bears_the_name_of_its_first_reader():
    softmax = Operator("other", ("made",), "cut")
    planned = plan(graph(FIRST, softmax, SECOND, pointwise("third", "cut", "more", 3)))
    assert [(known.name, known.value) for known in planned.maps] == [("image", "x"), ("second.input", "cut")]
    assert [known.layer.input for known in planned.layers] == ["image", "second.input", "second.input"]
    assert [known.layer.output for known in planned.layers] == [None, None, None]


def test_the_geometry_of_a_layer_is_its_operators():
    mac = Mac("conv", np.ones((3, 2, 1, 3)), np.zeros(3), (2, 1), (0, 1), dilation=(1, 2))
    shapes = SHAPES | {"made": (1, 3, 2, 2)}
    planned = plan(Graph("x", (Operator("mac", ("x",), "made", "wide", mac),), shapes))
    layer = planned.layers[0].layer
    assert (layer.kernel, layer.stride, layer.padding, layer.dilation) == ((1, 3), (2, 1), (0, 1), (1, 2))
    assert (layer.in_shape, layer.out_shape) == ((2, 4, 4), (3, 2, 2))


def test_what_is_left_out_is_told_with_its_share_of_the_macs():
    operators = (FIRST, SCALE, CUT, SECOND, STRANGE)
    planned = plan(graph(*operators), skip_unsupported=True)
    assert planned.left_out == (LeftOut("strange", "attention", 80),)
    assert planned.share == (96 + 144) / (96 + 144 + 80)
    with pytest.raises(CaptureError, match=r"^layer strange: attention, 25.0% of the MACs: leave it out"):
        plan(graph(*operators))
    other = replace(STRANGE, output="more", macs=160)
    with pytest.raises(CaptureError, match=r"^layer strange: attention, and 1 more such, 50.0% of the MACs"):
        plan(graph(*operators, other))
    both = plan(graph(*operators, other), skip_unsupported=True)
    assert [entry.layer for entry in both.left_out] == ["strange", "strange.2"]
    assert plan(graph(*operators, replace(other, macs=None)), skip_unsupported=True).share is None


def test_weights_that_do_not_fit_their_map_are_left_out_with_their_macs():
    wrong = pointwise("wrong", "cut", "last", 2)  # where the map has three channels
    planned = plan(graph(FIRST, SCALE, CUT, wrong), skip_unsupported=True)
    (entry,) = planned.left_out
    assert (entry.layer, entry.macs) == ("wrong", 16 * 6)
    assert entry.why == "weights of (3, 2, 1, 1), where its maps ask for (3, 3, 1, 1)"


def test_a_network_without_layers_is_refused_and_says_what_it_lost():
    with pytest.raises(CaptureError, match=r"no convolution or linear layer to capture$"):
        plan(graph(CUT))
    lost = replace(STRANGE, inputs=("x",))
    with pytest.raises(
        CaptureError, match=r"to capture; left out: strange: attention; strange\.2: attention$"
    ):
        plan(graph(lost, replace(lost, output="more")), skip_unsupported=True)
