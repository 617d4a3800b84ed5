"""A capture as a whole: what the trace holds, interrupting it and going on, and what is refused."""

import shutil

import numpy as np
import pytest

from hwsim import open_trace, simulate
from hwsim.capture.record import capture
from hwsim.errors import CaptureError, TraceError
from hwsim.quantize import dequantize
from hwsim.trace.provenance import cautions, clamped

torch = pytest.importorskip("torch")
from small_networks import Everything, pictures, seen_by_hooks  # noqa: E402
from torch import nn  # noqa: E402

from hwsim.capture.torch_network import TorchNetwork  # noqa: E402

IMAGES, OTHERS = pictures(4, 1), pictures(3, 2)


class Gram(nn.Module):
    """A product of activations."""

    def forward(self, values):
        rows = values.flatten(2)
        return rows @ rows.transpose(1, 2)


class Counted:
    """Pictures that count how often they are read, and stop at one of them."""

    def __init__(self, images, stop=None):
        self.images, self.stop, self.read = images, stop, []

    def __len__(self):
        return len(self.images)

    def __getitem__(self, number):
        if number == self.stop:
            raise KeyboardInterrupt
        self.read.append(number)
        return self.images[number]


@pytest.fixture
def network():
    return TorchNetwork(Everything(), "everything", {"weights": "seed 0"})


def test_the_trace_holds_what_entered_the_layers(network, tmp_path):
    steps = []
    capture(
        network,
        IMAGES,
        OTHERS,
        tmp_path / "t.zarr",
        bits=12,
        variant="dense",
        provenance={"pictures": "random"},
        metrics={"accuracy": 0.5},
        progress=lambda done, total: steps.append((done, total)),
    )
    assert steps == [(n, 10) for n in range(1, 11)]
    with open_trace(tmp_path / "t.zarr") as trace:
        trace.check()
        assert (trace.network, trace.variant, trace.images) == ("everything", "dense", 4)
        assert not trace.synthetic
        assert trace.metrics == {"accuracy": 0.5}
        assert {"weights": "seed 0", "pictures": "random", "left_out": []}.items() <= trace.provenance.items()
        for number, image in enumerate(IMAGES):
            entered, _ = seen_by_hooks(network.module, image)
            for layer in trace.layers:
                info = trace.maps[layer.input]
                top = dequantize(np.array([(1 << 12) - 1 - info.signed]), info.scale, info.signed)[0]
                real = np.clip(entered[layer.name], -abs(top), abs(top))
                if layer.name == "depthwise":
                    real = real[:, :-1, :-1]  # without the zeros of the pad before it
                error = dequantize(trace.map(layer.input, number), info.scale, info.signed) - real
                assert np.abs(error).max() <= 0.5001 * info.scale
        assert simulate(trace, images=[0]).speedup > 1


@pytest.mark.parametrize("name", ["t.zarr", "t.zarr.zip"])
def test_an_interrupted_capture_goes_on_and_is_the_same(network, tmp_path, name):
    capture(network, IMAGES, OTHERS, tmp_path / "whole.zip")
    with pytest.raises(KeyboardInterrupt):
        capture(network, Counted(IMAGES, stop=2), OTHERS, tmp_path / name)
    assert not (tmp_path / name).exists()
    rest = Counted(IMAGES)
    capture(network, rest, OTHERS, tmp_path / name, resume=True)
    assert rest.read == [2, 3]
    with open_trace(tmp_path / name) as trace, open_trace(tmp_path / "whole.zip") as whole:
        trace.check()
        assert trace.digest == whole.digest


def test_a_capture_with_other_options_is_not_gone_on_with(network, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        capture(network, Counted(IMAGES, stop=1), OTHERS, tmp_path / "t.zarr")
    with pytest.raises(TraceError, match="of another capture"):
        capture(network, IMAGES, OTHERS, tmp_path / "t.zarr", bits=8, resume=True)
    with pytest.raises(TraceError, match="resume it"):
        capture(network, IMAGES, OTHERS, tmp_path / "t.zarr")
    capture(network, IMAGES, OTHERS, tmp_path / "t.zarr", resume=True)


def test_a_picture_is_not_both_measured_and_used_for_calibration(network, tmp_path):
    with pytest.raises(CaptureError, match="picture 1 is one of those of the calibration"):
        capture(network, IMAGES, [OTHERS[0], IMAGES[1]], tmp_path / "t.zarr")
    assert not (tmp_path / "t.zarr").exists()


def test_no_pictures_are_refused(network, tmp_path):
    with pytest.raises(CaptureError, match="no picture to measure"):
        capture(network, [], OTHERS, tmp_path / "t.zarr")
    with pytest.raises(CaptureError, match="calibration needs"):
        capture(network, IMAGES, [], tmp_path / "t.zarr")


def test_what_is_left_out_is_in_the_provenance(tmp_path):
    network = TorchNetwork(nn.Sequential(nn.Conv2d(3, 4, 3), Gram()), "mixed")
    capture(network, IMAGES, OTHERS, tmp_path / "t.zarr", skip_unsupported=True)
    with open_trace(tmp_path / "t.zarr") as trace:
        assert [layer.name for layer in trace.layers] == ["0"]
        assert trace.provenance["left_out"] == [
            {
                "layer": "1.bmm",
                "why": "a product of two values that depend on the picture",
                "macs": 4 * 4 * 10 * 8,
            }
        ]


def test_drains_have_their_scales_in_the_provenance(network, tmp_path):
    capture(network, IMAGES, OTHERS, tmp_path / "t.zarr")
    with open_trace(tmp_path / "t.zarr") as trace:
        scales = trace.provenance["drain_scales"]
        assert scales.keys() == {layer.name for layer in trace.layers}
        assert scales["depthwise"] == trace.maps["depthwise"].scale


def loud(images):
    """The same pictures, some values far beyond those that calibration meets."""
    changed = [image.copy() for image in images]
    changed[0][0, 0, :2], changed[3][1, 2, 3] = 40, -60
    return changed


def test_values_beyond_the_calibrated_range_are_counted_for_every_map(network, tmp_path):
    images = loud(IMAGES)
    done = capture(network, images, OTHERS, tmp_path / "t.zarr", bits=12)
    found = {entry.map: entry for entry in done.clamped}
    with open_trace(tmp_path / "t.zarr") as trace:
        assert clamped(trace.provenance) == done.clamped
        for layer in trace.layers:
            info, counts, worst = trace.maps[layer.input], 0, 0.0
            limit = ((1 << (info.bits - info.signed)) - 1) * info.scale
            for image in images:
                real = seen_by_hooks(network.module, image)[0][layer.name].astype(np.float64)
                if layer.name == "depthwise":
                    real = real[:, :-1, :-1]
                steps = np.rint(real / info.scale) * info.scale
                beyond = real[(steps > limit * 1.0000001) | (steps < -limit * info.signed * 1.0000001)]
                counts += beyond.size
                worst = max(worst, np.abs(beyond).max(initial=0) / limit)
            entry = found.get(layer.input)
            assert (entry.values if entry else 0) == counts, layer.input
            assert (entry.overshoot if entry else 0) == pytest.approx(worst, rel=1e-3)
        assert found["image"].values >= 3
        (words,) = cautions(trace.provenance)
        assert "of 3 calibration pictures, clamped" in words
        assert f"up to {max(entry.overshoot for entry in done.clamped):.2f} times" in words


def test_counts_of_clamped_values_outlive_an_interruption(network, tmp_path):
    images = loud(IMAGES)
    capture(network, images, OTHERS, tmp_path / "whole.zarr")
    with pytest.raises(KeyboardInterrupt):
        capture(network, Counted(images, stop=2), OTHERS, tmp_path / "t.zarr")
    capture(network, images, OTHERS, tmp_path / "t.zarr", resume=True)
    capture(network, images, OTHERS, tmp_path / "t.zarr", resume=True)  # whole already
    with open_trace(tmp_path / "t.zarr") as trace, open_trace(tmp_path / "whole.zarr") as whole:
        assert trace.provenance["clamped"]
        assert trace.digest == whole.digest


def test_headroom_leaves_room_for_larger_values(network, tmp_path):
    capture(network, IMAGES, OTHERS, tmp_path / "plain.zarr", bits=12)
    done = capture(network, IMAGES, OTHERS, tmp_path / "wide.zarr", bits=12, headroom=8)
    assert not done.clamped
    with open_trace(tmp_path / "plain.zarr") as plain, open_trace(tmp_path / "wide.zarr") as wide:
        for name, info in plain.maps.items():
            assert wide.maps[name].scale == pytest.approx(8 * info.scale, rel=1e-3)
        assert wide.provenance["calibration_headroom"] == 8
        assert cautions(wide.provenance) == ()


def test_pictures_of_different_sizes_are_refused_in_one_line(network, tmp_path):
    larger = pictures(1, 9, (3, 14, 10))
    for measured, others in ((IMAGES, [*OTHERS, *larger]), ([*IMAGES, *larger], OTHERS)):
        with pytest.raises(CaptureError, match="is 14x10, the first one 12x10: give --size and --crop"):
            capture(network, measured, others, tmp_path / "t.zarr", overwrite=True)
        shutil.rmtree(tmp_path / "t.zarr.partial", ignore_errors=True)
