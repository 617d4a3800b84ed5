"""A network answers pictures in integers alone."""

import numpy as np
import pytest

from hwsim.errors import CaptureError

torch = pytest.importorskip("torch")
from small_networks import Everything, pictures  # noqa: E402
from torch import nn  # noqa: E402

from hwsim.capture.calibration import calibrate_network  # noqa: E402
from hwsim.capture.plan import plan  # noqa: E402
from hwsim.capture.torch_network import TorchNetwork  # noqa: E402
from hwsim.reproduce.accuracy import measure_accuracy  # noqa: E402
from hwsim.reproduce.integer_loop import IntegerLoop  # noqa: E402


def loop_of(module: nn.Module, images: list[np.ndarray], bits: int) -> IntegerLoop:
    network = TorchNetwork(module, "small")
    planned = plan(network.graph(images[0]))
    return IntegerLoop(network, planned, calibrate_network(network, planned, images, bits))


class Halves(nn.Module):
    """Two classes, of the left and the right half of four pixels; the second has half the weight."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 2, bias=False)
        self.fc.weight.data = torch.tensor([[1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.5, 0.5]])

    def forward(self, images):
        return self.fc(images.flatten(1))


def row(*pixels: float) -> np.ndarray:
    return np.array(pixels, np.float32).reshape(1, 1, 4)


def test_answers_are_those_worked_out_by_hand():
    """Pixels have 3 bits, 0 .. 7 for 0 .. 7; weights 127 a channel, whose scales stand 2 to 1.

    So of (3, 0, 4, 3) the sums are 3 x 127 and 7 x 127, and the first is worth twice as much: 6 to 7.
    """
    loop = loop_of(Halves(), [row(7, 7, 7, 7), row(7, 0, 7, 0)], 3)
    for pixels, wanted in (((3, 0, 4, 3), 1), ((4, 0, 4, 3), 0), ((0.4, 0, 0, 0), 0), ((0.4, 0, 1, 0), 1)):
        logits = loop.logits(row(*pixels))
        assert logits.argmax() == wanted
        rounded = np.rint(pixels)
        first, second = 2 * rounded[:2].sum(), rounded[2:].sum()
        assert logits[0] * second == pytest.approx(logits[1] * first, rel=1e-3)


def test_the_logits_are_the_float_networks_at_16_bits():
    images = pictures(6)
    loop = loop_of(Everything().eval(), images[:3], 16)
    with torch.no_grad():
        real = loop.network.module(torch.from_numpy(np.stack(images))).numpy()
    found = loop.logits_of(np.stack(images)).astype(float)
    # One unit for all logits: what the weights' rounding leaves is far below their spread.
    unit = (real * found).sum() / (found**2).sum()
    assert np.abs(found * unit - real).max() < 0.02 * np.ptp(real)


def test_few_bits_make_other_answers():
    images = pictures(6)
    loops = [loop_of(Everything().eval(), images[:3], bits) for bits in (16, 2)]
    fine, coarse = (loop.logits_of(np.stack(images)) for loop in loops)
    assert not np.allclose(fine / np.abs(fine).max(), coarse / np.abs(coarse).max(), atol=0.02)


def test_right_answers_are_counted_at_every_width_as_in_floats():
    images = pictures(5)
    network = TorchNetwork(Everything().eval(), "everything")
    with torch.no_grad():
        labels = network.module(torch.from_numpy(np.stack(images))).argmax(1).numpy()
    labels[1] = (labels[1] + 1) % 4
    steps = []
    found = measure_accuracy(
        network,
        images,
        labels,
        images[:2],
        widths=(16, 12, 4),
        batch=2,
        in_integers=(16, 12),
        progress=lambda done, total: steps.append((done, total)),
    )
    assert found.integers == {"16": 4, "12": 4}
    assert steps[-1] == (30, 30)


class Smooth(nn.Module):
    """A function between its layers that integers do not do."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 2)

    def forward(self, images):
        return self.second(nn.functional.gelu(self.first(images.flatten(1))))


def test_what_integers_do_not_make_is_said_by_its_reason():
    with pytest.raises(CaptureError, match=r"do not make map .*(?i:gelu).*leave --integers"):
        loop_of(Smooth(), [row(1, 2, 3, 4)], 8)


def test_a_network_that_does_not_end_in_a_number_a_class_is_refused():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.other = nn.Linear(4, 2), nn.Linear(4, 3)

        def forward(self, images):
            return self.one(images.flatten(1)), self.other(images.flatten(1))

    with pytest.raises(CaptureError, match=r"ends in one, which makes \(2, 1, 1\), other, which"):
        loop_of(Two(), [row(1, 2, 3, 4)], 8)
    with pytest.raises(CaptureError, match=r"which makes \(3, 1, 4\)"):
        loop_of(nn.Conv2d(1, 3, 1), [row(1, 2, 3, 4)], 8)
