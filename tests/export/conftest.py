"""Random little networks and machines, for every export."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from in_memory import InMemory

from hwsim.arch import Arch
from hwsim.errors import TraceError
from hwsim.layer import Kind, Layer
from hwsim.trace import MapInfo


@dataclass
class Case(InMemory):
    """A trace in memory, with what an export asks of one, and a machine."""

    layers: tuple[Layer, ...]
    values: dict[str, np.ndarray]
    arch: Arch
    order: int = 2
    bits: int = 10
    images = 1

    @property
    def maps(self) -> dict[str, MapInfo]:
        return {
            name: MapInfo(name, values.shape, self.bits, self.order, False, 1.0)
            for name, values in self.values.items()
        }

    def map(self, name: str, image: int) -> np.ndarray:
        if image:
            raise TraceError(f"memory has no image {image}")
        return self.values[name]


def random_case(seed: int) -> Case:
    """Two to four layers, each reading what the one before makes, and any machine."""
    rng = np.random.default_rng(seed)
    shape: Any = tuple(int(n) for n in rng.integers((1, 4, 4), (9, 12, 12)))
    layers, values = [], {}
    for i in range(rng.integers(2, 5)):
        depthwise = bool(rng.random() < 0.35)
        kernel = (int(rng.integers(1, 4)), int(rng.integers(1, 4)))
        stride = int(rng.integers(1, 3))
        padding = (int(rng.integers(0, kernel[0])), int(rng.integers(0, kernel[1])))
        out: Any = tuple(
            int(rng.integers(1, (size - 1 + pad) // stride + 2))
            for size, pad in zip(shape[1:], padding, strict=True)
        )
        filters = shape[0] if depthwise else int(rng.integers(1, 12))
        kind: Kind = "depthwise" if depthwise else "conv"
        layers.append(
            Layer(
                f"l{i}",
                kind,
                f"m{i}",
                shape,
                (filters, *out),
                kernel,
                (stride,) * 2,
                padding,
                output=f"m{i + 1}",
            )
        )
        kept = rng.random(shape) < rng.choice([0.1, 0.5, 1.0])
        values[f"m{i}"] = np.where(kept, rng.integers(1, 1024, shape), 0).astype(np.uint16)
        shape = layers[-1].out_shape
    arch = Arch(
        cores=int(rng.integers(1, 5)),
        columns=int(rng.choice([1, 2, 4])),
        map_buffer=int(rng.choice([0, 200, 2000, 100_000])),
        bytes_per_cycle=int(rng.choice([1, 7, 32, 64, 200])),
        dram_latency=int(rng.choice([0, 20, 100])),
        row_split=str(rng.choice(["best", "balanced", "contiguous"])),
        skip_zeros=bool(rng.random() < 0.7),
        compress=bool(rng.random() < 0.7),
    )
    return Case(tuple(layers), values, arch)


@pytest.fixture(params=range(12))
def case(request) -> Case:
    """One of many; its number is its seed."""
    return random_case(request.param)


@pytest.fixture(scope="session")
def cases() -> list[Case]:
    """Many at once."""
    return [random_case(seed) for seed in range(24)]


@pytest.fixture
def one_case(cases) -> Case:
    """Whichever, where it does not matter."""
    return cases[0]
