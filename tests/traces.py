"""A tiny trace for tests: two layers, two maps, two images, weights and drains."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from hwsim.layer import Layer
from hwsim.quantize import Requantize
from hwsim.trace import MapInfo, StoredTrace, TraceWriter


@dataclass(frozen=True)
class Tiny:
    """What is in the trace: :meth:`write` stores it, :meth:`assert_equal` holds a trace against it."""

    images: int = 2
    seed: int = 0
    weight_bits: int = 8

    @property
    def maps(self) -> tuple[MapInfo, ...]:
        return (
            MapInfo("image", (3, 5, 4), 8, 2, True, 0.5),
            MapInfo("/fc/in put", (6, 1, 1), 16, 3, False, 0.125),
        )

    @property
    def layers(self) -> tuple[Layer, ...]:
        return (
            Layer("conv", "conv", "image", (3, 5, 4), (4, 5, 4), (3, 3), padding=(1, 1), output="/fc/in put"),
            Layer("fc", "linear", "/fc/in put", (6, 1, 1), (2, 1, 1), relu=False),
        )

    def codes(self, name: str, image: int) -> np.ndarray:
        """Codes of a map; the first image of the second map is all zeros."""
        position, info = next((i, info) for i, info in enumerate(self.maps) if info.name == name)
        rng = np.random.default_rng((self.seed, position, image))
        codes = rng.integers(0, 1 << info.bits, info.shape) * rng.integers(0, 2, info.shape)
        return (codes * (position == 0 or image > 0)).astype(np.uint16)

    def weights(self, layer: Layer) -> np.ndarray:
        """Weights of a layer, the extremes among them."""
        limit = 1 << (self.weight_bits - 1)
        weights = np.random.default_rng(self.seed).integers(-limit, limit, layer.weight_shape)
        weights.flat[:2] = -limit, limit - 1
        return weights.astype(np.int16)

    def scale(self, layer: Layer) -> Any:
        """Scale of a layer's weights: one of the layers has one for each channel."""
        return 0.25 if layer.kind == "conv" else np.array([0.5, 0.75])

    def requantize(self, layer: Layer) -> Requantize:
        """The drain of a layer."""
        channels = layer.out_shape[0]
        bias = np.arange(channels) - 2**31
        return Requantize(bias, np.full(channels, 65535), 20, layer.relu, 16, not layer.relu, 3)

    def writer(self, place: Any, **changes: Any) -> TraceWriter:
        """A writer for this trace."""
        arguments = {
            "network": "tiny",
            "variant": "baseline",
            "synthetic": False,
            "provenance": {"seed": self.seed, "weights": "random"},
            "layers": self.layers,
            "maps": self.maps,
            "images": self.images,
            "weight_bits": self.weight_bits,
            "metrics": {"accuracy": 0.5},
        }
        return TraceWriter(place, **{**arguments, **changes})

    def write(self, place: Any, **changes: Any) -> Any:
        """Write the trace whole; returns the place."""
        with self.writer(place, **changes) as writer:
            self.fill(writer)
        return place

    def fill(self, writer: TraceWriter) -> None:
        """Write all maps, weights and drains."""
        for image in reversed(range(self.images)):
            for info in self.maps:
                writer.write_map(info.name, image, self.codes(info.name, image))
        for layer in self.layers:
            writer.write_weights(layer, self.weights(layer), self.scale(layer))
            writer.write_requantize(layer, self.requantize(layer))

    def assert_equal(self, trace: StoredTrace) -> None:
        """Whether a trace is this one, to the last value."""
        assert (trace.network, trace.variant, trace.synthetic) == ("tiny", "baseline", False)
        assert trace.provenance["seed"] == self.seed
        assert trace.provenance["created_by"].startswith("hwsim ")
        assert trace.metrics == {"accuracy": 0.5}
        assert (trace.images, trace.weight_bits) == (self.images, self.weight_bits)
        assert trace.layers == self.layers
        assert trace.maps == {info.name: info for info in self.maps}
        for image in range(self.images):
            for info in self.maps:
                codes = trace.map(info.name, image)
                assert codes.dtype == np.uint16
                np.testing.assert_array_equal(codes, self.codes(info.name, image))
        for layer in self.layers:
            weights = trace.weights(layer)
            assert weights.dtype == np.int16
            np.testing.assert_array_equal(weights, self.weights(layer))
            np.testing.assert_array_equal(trace.weight_scale(layer), self.scale(layer))
            for field, value in vars(self.requantize(layer)).items():
                np.testing.assert_array_equal(getattr(trace.requantize(layer.name), field), value)
