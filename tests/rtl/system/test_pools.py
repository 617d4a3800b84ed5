"""Chains with pools on the whole machine, compiled: every byte that it makes, and when, as the model says."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import HealthCheck, Phase, given, seed, settings
from random_chains import ChainTrace, RunnableChain, as_made, whole_chains, wide_chain
from torch import nn
from torch.nn import functional

from hwsim.arch import Arch
from hwsim.capture.record import capture
from hwsim.capture.torch_network import TorchNetwork
from hwsim.errors import ArchError
from hwsim.machine.workload import Workload
from hwsim.reference import run_network
from hwsim.trace import open_trace
from hwsim.verify_system import verify_system

# That of test_machine.py, compiled once.
ARCH = Arch(cores=2, columns=4, accumulators=512, weight_words=2048, map_buffer=65536)


def runnable_chains(number: int, count: int) -> list[RunnableChain]:
    """Of so many chains, from a seed, those with a pool; before them, pools that have words."""
    drawn = [wide_chain(), wide_chain(clamped=True)]

    @seed(number)
    @settings(
        max_examples=count, database=None, phases=[Phase.generate], deadline=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(whole_chains(most_layers=3))
    def draw(chain: ChainTrace) -> None:
        if any(link.pool is not None for link in chain.between):
            drawn.append(as_made(chain))

    draw()
    return drawn


def test_random_chains_with_pools_are_run_in_the_cycles_of_the_model():
    seen = set()
    for trace in runnable_chains(3, 120):
        try:
            jobs = Workload(trace, 0).jobs(ARCH)
            checks = list(verify_system(trace, ARCH))
        except ArchError:
            continue
        assert [check for check in checks if not check.equal] == [], trace
        if any(job.stored.raw.any() for job in jobs[1:]):
            seen.add("raw")
        for layer, job, link in zip(trace.layers, jobs, trace.between, strict=True):
            if layer.clamped and job.has_pool_word:
                seen.add("clamps and a word")
            if link.pool is not None:
                whole = link.pool.kernel == layer.out_shape[1:] != (1, 1)
                wide = link.pool.kernel[1] > 7
                seen.add(("mean" if link.pool.mean else "largest", link.flatten))
                seen |= {name for name, is_so in (("global", whole), ("wide", wide)) if is_so}
    assert seen >= {(kind, flat) for kind in ("mean", "largest") for flat in (True, False)}
    assert seen >= {"global", "wide", "raw", "clamps and a word"}


class SmallMobileNet(nn.Module):
    """MobileNet-V1 with three blocks: stride 2, depthwise and 1 x 1 in turns, a global mean, classes."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem = nn.Conv2d(3, 8, 3, 2, 1)
        blocks = [(8, 12, 1), (12, 16, 2), (16, 24, 1)]
        self.depthwise = nn.ModuleList(nn.Conv2d(c, c, 3, s, 1, groups=c) for c, _, s in blocks)
        self.pointwise = nn.ModuleList(nn.Conv2d(c, made, 1) for c, made, _ in blocks)
        self.last = nn.Linear(24, 10)
        for layer in (self.stem, *self.depthwise, *self.pointwise):
            nn.init.kaiming_normal_(layer.weight)
            nn.init.constant_(layer.bias, -0.2)  # so that half of all values are 0, and more

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.relu(self.stem(x))
        for depthwise, pointwise in zip(self.depthwise, self.pointwise, strict=True):
            x = functional.relu6(pointwise(functional.relu6(depthwise(x))))
        return self.last(x.mean((2, 3)))


def test_a_mobilenet_is_run_from_its_image_to_its_logits(tmp_path):
    pictures = np.random.default_rng(1).normal(size=(5, 3, 16, 14)).astype(np.float32)
    network = TorchNetwork(SmallMobileNet().eval(), "small")
    capture(network, pictures[:1], pictures[1:], tmp_path / "small.zarr", bits=8)
    with open_trace(tmp_path / "small.zarr") as trace:
        checks = list(verify_system(trace, ARCH.replace(activation_bits=16)))
        layers = [layer.name for layer in trace.layers]
        assert all(run_network(trace, 0)[name].any() for name in trace.maps)
    assert [check for check in checks if not check.equal] == []
    assert [check.layer for check in checks if check.what == "end cycle"] == layers
    assert len(layers) == 8
