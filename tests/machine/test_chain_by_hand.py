"""What a pool between two layers costs, worked out from docs/architecture.md, *Layer after layer*."""

from dataclasses import dataclass

import numpy as np
import pytest
from random_networks import MemoryTrace

from hwsim.arch import Arch
from hwsim.between import Flow, MaxPool, Value
from hwsim.layer import Layer
from hwsim.machine.runs import LayerRun
from hwsim.machine.simulation import simulate


@dataclass
class Pooled(MemoryTrace):
    """Two layers of one tap; a pool of 2 x 2 between makes 2 x 2 pixels of 4 x 4, of two channels."""

    @property
    def flow(self) -> Flow:
        raw = Value("raw", (2, 4, 4), self.bits, False, 1.0)
        result = Value("result", (1, 2, 2), self.bits, False, 1.0)
        pool = MaxPool(inputs=("raw",), output="m1", kernel=(2, 2), stride=(2, 2), padding=(0, 0, 0, 0))
        return Flow(("m0",), {"one": "raw", "two": "result"}, (raw, result), (pool,))


LAYERS = (
    Layer("one", "conv", "m0", (1, 4, 4), (2, 4, 4), output="m1"),
    Layer("two", "conv", "m1", (2, 2, 2), (1, 2, 2)),
)
VALUES = {"m0": np.full((1, 1, 4, 4), 3, np.uint16), "m1": np.full((1, 2, 2, 2), 5, np.uint16)}


@pytest.fixture(scope="module")
def first() -> dict[str, LayerRun]:
    """The first layer on the machine, of one core, and on its dense baseline."""
    arch = Arch(cores=1, columns=2, bytes_per_cycle=16, dram_latency=20)
    result = simulate(Pooled(LAYERS, VALUES, 3, 16), arch)
    return {"skipping": result.runs("skipping")[0], "dense": result.runs("dense")[0]}


@pytest.mark.parametrize("mode", ["skipping", "dense"])
def test_the_cycles_of_a_pool_by_hand(first, mode):
    # A raw row of two channels of four values takes two words, all of the map one line: eight windows of two
    # rows take 16 cycles, and 12 more are the way to the last line that is written.
    assert first[mode].causes["pool"] == 16 + 12
