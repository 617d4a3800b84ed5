"""What lies between the maps of a captured network: integers make the maps that the network itself makes."""

import numpy as np
import pytest
import torch
from small_networks import Everything, pictures
from torch import nn
from torch.nn import functional

from hwsim.capture.record import capture
from hwsim.capture.torch_network import TorchNetwork
from hwsim.differences import differences
from hwsim.quantize import code_limit, integers, quantize_map
from hwsim.reference import run_network
from hwsim.trace import open_trace

MEAN, LARGEST = 0.02, 0.08  # of a map's range, at 8 bits: a few steps, which add up along a network


class Shuffled(nn.Module):
    """A split, a shuffle of channels, a concatenation of parts of two scales, and a flattening."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.part = nn.Conv2d(3, 8, 3, 2, 1), nn.Conv2d(4, 4, 3, padding=1)
        self.last = nn.Linear(8 * 6 * 5, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        one, two = functional.relu(self.stem(x)).chunk(2, 1)
        x = torch.cat((one, functional.relu(self.part(two))), 1)
        return self.last(functional.channel_shuffle(x, 2).flatten(1))


class Normalized(nn.Module):
    """Batch normalization and ReLU before the layers, of sums and concatenations, as DenseNet has them."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm = nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6)
        self.one, self.after = nn.Conv2d(6, 4, 1), nn.BatchNorm2d(10)
        self.two = nn.Conv2d(10, 3, 3, stride=2)
        self.norm.running_mean, self.after.running_mean = torch.randn(6) * 0.2, torch.randn(10) * 0.2

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.avg_pool2d(self.stem(x), 3, 2, 1, count_include_pad=False)
        made = self.one(functional.relu(self.norm(x)))
        return self.two(functional.relu(self.after(torch.cat((x, made), 1)))).mean((2, 3))


class Gated(nn.Module):
    """SiLU, which integers do not make, between layers that they do."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two, self.three = (nn.Conv2d(3, 3, 3, padding=1) for _ in range(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.silu(self.one(x))
        return self.three(functional.relu(self.two(x) + x))


class Clamped(nn.Module):
    """Clamps that begin elsewhere than at 0, behind a layer, a sum and a pool, and a floor and a ceiling."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two, self.three = (nn.Conv2d(3, 3, 3, padding=1) for _ in range(3))
        self.four, self.five = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.hardtanh(self.one(x), -0.75, 1.25)
        x = torch.clamp(self.two(x) + x, -0.5, 0.75)
        x = torch.clamp(functional.avg_pool2d(self.three(x), 2), min=0.125)
        return self.five(torch.minimum(self.four(x), torch.tensor(0.2)))


class Narrower(nn.Module):
    """Clamps behind each other, each narrower at one end."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Conv2d(3, 3, 3), nn.Conv2d(3, 2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.two(torch.clamp(functional.hardtanh(self.one(x) * 3, -0.25, 1.0), -2.0, 0.5))


class Ended(nn.Module):
    """Class scores from a pool behind the last layer, as SqueezeNet has them, and a softmax of them."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 5, 1)

    def scores(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.max_pool2d(functional.relu(self.one(x)), 2)
        return functional.adaptive_avg_pool2d(functional.relu(self.two(x)), 1).flatten(1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.softmax(self.scores(x), 1)


class Padded(nn.Module):
    """Zeros before pools, on one side alone, and channels of zeros, as the shortcuts of CIFAR's ResNets."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two, self.three = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 6, 3, 2, 1), nn.Conv2d(6, 2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.max_pool2d(functional.pad(self.one(x), (0, 1, 2, 1)), 3, 1)
        shortcut = functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 1, 1))
        x = functional.avg_pool2d(functional.pad(self.two(x) + shortcut, (1, 0, 1, 0)), 2, 1)
        return self.three(x)


class Leaking(nn.Module):
    """Slopes below 0, behind a layer and behind a sum."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two, self.three = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 2, 3)
        self.slope = nn.PReLU(init=0.5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.leaky_relu(self.one(x), 0.125)
        return self.three(self.slope(self.two(x) + x))


class Bordered(nn.Module):
    """Borders that mirror the map, other ones on each side, and that repeat its outermost pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 6, 3, padding=1, padding_mode="replicate")
        self.three = nn.Conv2d(6, 2, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.relu(self.one(functional.pad(x, (1, 2, 3, 0), mode="reflect")))
        return self.three(functional.pad(self.two(x), (2, 1, 0, 3), mode="reflect"))


class Twice(nn.Module):
    """A sum that is clamped, in another order, for one reader, and pooled as it is for another."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two, self.three = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 2, 1), nn.Conv2d(3, 2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        made = self.one(x)
        both = made + functional.max_pool2d(made, 3, 1, 1)
        pooled = self.three(functional.avg_pool2d(both, 3, 1, 1))
        return self.two(functional.relu(both.transpose(2, 3))) + pooled.transpose(2, 3)


def taken(module: nn.Module, place, bits: int = 8):
    torch.manual_seed(0)
    capture(TorchNetwork(module, "n"), pictures(2, 1), pictures(6, 2), place, bits=bits)
    return open_trace(place)


@pytest.mark.parametrize(
    "make", [Everything, Shuffled, Normalized, Gated, Clamped, Padded, Bordered, Leaking, Twice]
)
def test_integers_make_the_maps_of_the_network(make, tmp_path):
    torch.manual_seed(3)
    with taken(make(), tmp_path / "t") as trace:
        for row in differences(trace, [0, 1]):
            assert row.mean <= MEAN * row.reach, row
            assert row.largest <= LARGEST * row.reach, row
            assert row.differ == 0 or row.origin == "integers"


def test_residuals_branches_and_pools_are_operators_and_nothing_is_captured(tmp_path):
    with taken(Everything(), tmp_path / "t") as trace:
        assert trace.flow.inputs == ("image",)
        assert trace.flow.captured == {}
        kinds = [operator.kind for operator in trace.flow.operators]
        assert sorted(kinds) == [
            "add",
            "add",
            "average_pool",
            "average_pool",
            "concatenate",
            "max_pool",
        ]
        assert trace.calibration_pictures == 6
        assert trace.row_counts("stem").shape == trace.maps["stem"].shape[:2]


def test_what_integers_do_not_make_is_named_and_the_rest_goes_on_from_it(tmp_path):
    with taken(Gated(), tmp_path / "t") as trace:
        assert list(trace.flow.captured.values()) == ["silu"]
        assert [operator.kind for operator in trace.flow.operators] == ["add"]


def test_integers_go_on_to_the_scores_behind_the_last_layer_and_no_further(tmp_path):
    torch.manual_seed(3)
    module = Ended()
    with taken(module, tmp_path / "t") as trace:
        assert [operator.kind for operator in trace.flow.operators] == ["max_pool", "average_pool"]
        (end,) = [value for value in trace.flow.values if value.name == trace.flow.operators[-1].output]
        assert end.shape == (5, 1, 1)
        assert trace.ends == {end.name: end}
        for number, picture in enumerate(pictures(2, 1)):
            made = run_network(trace, number)[end.name]
            scores = module.scores(torch.from_numpy(picture)[None])[0].detach().numpy()
            np.testing.assert_allclose(integers(made, end.signed).ravel() * end.scale, scores, atol=0.03)
            assert scores.max() > 0.15
            stored = integers(trace.end(end.name, number), end.signed).ravel()
            np.testing.assert_array_equal(stored, np.rint(scores / end.scale).clip(0, 255))
        assert differences(trace, [0, 1])[-1].map == end.name


def test_a_drain_clamps_to_the_narrower_of_two_ends(tmp_path):
    with taken(Narrower(), tmp_path / "t") as trace:
        assert trace.flow.operators == ()
        # The largest code stands for 0.5, or a little more: 127 steps, half as many below.
        assert trace.requantize("one").bounds == (-63, 127)


def test_clamps_and_zeros_are_operators_and_nothing_is_captured(tmp_path):
    torch.manual_seed(3)
    with taken(Clamped(), tmp_path / "c") as trace:
        assert trace.flow.captured == {}
        made = {each.output: each for each in trace.flow.operators}
        steps = {name: info.scale for name, info in trace.maps.items()}
        # Behind a layer alone: its drain does it.
        assert [layer.name for layer in trace.layers if layer.clamped] == ["one", "four"]
        low, high = trace.requantize("one").clamps
        assert low * steps["one"] == pytest.approx(-0.75, abs=steps["one"])
        assert high * steps["one"] == pytest.approx(1.25, abs=steps["one"])
        low, high = trace.requantize("four").clamps
        assert low == -code_limit(8, signed=True)
        assert high * steps["four"] == pytest.approx(0.2, abs=steps["four"])
        assert made["two"].low * steps["two"] == pytest.approx(-0.5, abs=steps["two"])
        assert made["two"].high * steps["two"] == pytest.approx(0.75, abs=steps["two"])
        assert made["three"].low * steps["three"] == pytest.approx(0.125, abs=steps["three"])
        assert [made[name].kind for name in steps if name in made] == ["add", "average_pool"]
    with taken(Padded(), tmp_path / "p") as trace:
        assert trace.flow.captured == {}
        pads = [each for each in trace.flow.operators if each.kind == "pad"]
        assert [each.before for each in pads] == [(0, 2, 0), (1, 0, 0), (0, 1, 1)]


class Narrow(nn.Module):
    """Results far beyond the clamp behind them: a thousandth of the range is left."""

    def __init__(self, low: float, high: float) -> None:
        super().__init__()
        self.one, self.two = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 2, 1)
        self.one.weight.data *= 1000
        self.low, self.high = low, high

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.two(functional.hardtanh(self.one(x), self.low, self.high))


@pytest.mark.parametrize("bounds", [(-1.0, 1.0), (0.25, 1.0), (-1.0, -0.125)])
def test_a_drain_has_its_steps_within_the_clamp_that_alone_reads_it(tmp_path, bounds):
    torch.manual_seed(3)
    with taken(Narrow(*bounds), tmp_path / "t") as trace:
        drain = trace.provenance["drain_scales"]["one"]
        limit = 255 if bounds[0] > 0 else 127
        assert drain == pytest.approx(max(map(abs, bounds)) / limit, rel=1e-3)
        row = next(row for row in differences(trace, [0, 1]) if row.map == trace.layers[1].input)
        assert row.differ < 0.02 * row.values  # those near a step of the picture's codes, a thousandfold


def test_slopes_below_0_are_operators(tmp_path):
    torch.manual_seed(3)
    with taken(Leaking(), tmp_path / "t") as trace:
        assert trace.flow.captured == {}
        kinds = [each.kind for each in trace.flow.operators]
        assert kinds == ["clip", "clip", "add", "add", "clip", "clip", "add"]
        first, last = (each for each in trace.flow.operators if each.output in ("one", "two"))
        above, below = first.multipliers
        assert below / above == pytest.approx(0.125, rel=1e-3)
        assert last.multipliers[1] / last.multipliers[0] == pytest.approx(0.5, rel=1e-3)


def test_borders_are_operators_and_no_more_steps_than_the_map_has(tmp_path):
    torch.manual_seed(3)
    with taken(Bordered(), tmp_path / "t") as trace:
        assert trace.flow.captured == {}
        places = {
            each.output: [[place // 256 for place in line] for line in (each.rows, each.columns)]
            for each in trace.flow.operators
        }
        # 13 x 11 of the first convolution, a row and a column more on each side; then 3 below, 2 and 1 beside
        assert places["one"] == [[0, *range(13), 12], [0, *range(11), 10]]
        assert places["two"] == [[*range(13), 11, 10, 9], [2, 1, *range(11), 9]]
        assert trace.layers[0].output == "one"


def test_row_counts_are_those_of_the_calibration_pictures(tmp_path):
    with taken(Shuffled(), tmp_path / "t") as trace:
        info = trace.maps["image"]
        codes = [quantize_map(image, info.scale, info.bits, info.signed) for image in pictures(6, 2)]
        expected = sum(np.count_nonzero(each, axis=2) for each in codes)
        np.testing.assert_array_equal(trace.row_counts("image"), expected)
        assert set(trace.maps) == {name for name in trace.maps if trace.row_counts(name) is not None}


def test_onnx_and_torch_make_the_same_flow(tmp_path):
    from hwsim.capture.onnx_network import OnnxNetwork

    torch.manual_seed(3)
    for module in (Everything(), Normalized(), Clamped(), Padded(), Bordered(), Leaking()):
        place = tmp_path / "m.onnx"
        torch.onnx.export(module.eval(), torch.zeros(1, 3, 12, 10), place, dynamo=False)
        capture(OnnxNetwork(place), pictures(1, 1), pictures(6, 2), tmp_path / "o", bits=8, overwrite=True)
        capture(
            TorchNetwork(module, "n"), pictures(1, 1), pictures(6, 2), tmp_path / "p", bits=8, overwrite=True
        )
        with open_trace(tmp_path / "o") as one, open_trace(tmp_path / "p") as two:
            assert one.flow.captured == two.flow.captured
            kinds = [[operator.kind for operator in trace.flow.operators] for trace in (one, two)]
            assert kinds[0] == kinds[1]
            for row in differences(one, [0]):
                assert row.mean <= MEAN * row.reach
