"""What a simulation finds: the runs of all layers and images, and the account of them."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from hwsim.arch import Arch
from hwsim.errors import ResultError
from hwsim.machine.marks import marks_of
from hwsim.machine.runs import CAUSES, LayerResult, LayerRun, Mode
from hwsim.machine.stored import read_result
from hwsim.machine.summary import html_summary, text_summary
from hwsim.machine.totals import Account
from hwsim.trace.provenance import LeftOut, left_out

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["CAUSES", "LayerResult", "LayerRun", "Mode", "Result"]
SCHEMA = 6


@dataclass(frozen=True, repr=False)
class Result:
    """A simulated trace: image by image, layer by layer.

    It shows itself in a few lines, in a notebook as a small table.

    Attributes:
        title: path or URL of the trace.
        network, variant, synthetic, provenance: of the trace.
        calibration_pictures: by whose non-zeros rows are dealt out to the cores; 0: as if no value were zero.
        chain: whether the network is one that a machine runs whole, so that pools and what lies between the
            passes of two layers take time (docs/architecture.md, *Layer after layer*).
        images: numbers of the images that ran.
        arch: the machine.
        layers: exact counts of every layer of every image, skipping and dense.
    """

    title: str
    network: str
    variant: str
    synthetic: bool
    provenance: dict[str, Any]
    calibration_pictures: int
    chain: bool
    images: tuple[int, ...]
    arch: Arch
    layers: tuple[LayerResult, ...]

    def runs(self, mode: Mode) -> list[LayerRun]:
        """All layers of all images, skipping or dense."""
        return [getattr(layer, mode) for layer in self.layers]

    @cached_property
    def marks(self) -> tuple[str, ...]:
        """What must stand wherever the totals stand; nothing for a whole, measured trace."""
        return marks_of(self.synthetic, self.left_out, self.account.numbers["macs"])

    @cached_property
    def left_out(self) -> tuple[LeftOut, ...]:
        """Layers of the network that its trace lacks; no total has them."""
        return left_out(self.provenance)

    @property
    def flags(self) -> dict[str, Any]:
        """What stands in every row of a table: whether it is made up, and how many layers are left out."""
        return {"synthetic": self.synthetic, "left_out": len(self.left_out)}

    @cached_property
    def account(self) -> Account:
        """All layers and images together."""
        return Account.of(self.layers, self.arch)

    @cached_property
    def accounts(self) -> dict[str, Account]:
        """Of every layer, all images together."""
        return Account.per_layer(self.layers, self.arch)

    def total(self, mode: Mode) -> int:
        """Cycles of all images."""
        return self.account.totals(mode).cycles

    def dram_bytes(self, mode: Mode) -> int:
        """Bytes over the DRAM channel, all images."""
        return self.account.totals(mode).dram_bytes

    def energy_pj(self, mode: Mode) -> float:
        """Energy of all images, pJ."""
        return self.account.totals(mode).total_energy_pj

    @property
    def density(self) -> float | None:
        """Fraction of all input maps' elements that is not zero."""
        return self.account.density

    @property
    def speedup(self) -> float | None:
        """Dense cycles / cycles, all layers and images."""
        return self.account.speedup

    @property
    def mac_ratio(self) -> float | None:
        """All valid MACs / all MACs with a non-zero activation; None if there is none of these."""
        return self.account.mac_ratio

    def overall(self) -> dict[str, Any]:
        """The row of all layers together, as :attr:`hwsim.machine.totals.Account.row` has it."""
        return self.account.row

    def per_layer(self) -> list[dict[str, Any]]:
        """One row a layer: counts averaged over the images, ratios taken of the sums."""
        return [account.row for account in self.accounts.values()]

    def to_pandas(self) -> DataFrame:
        """The rows of :meth:`per_layer` as a table of pandas, by layer.

        Bytes over the channel are ``dram_weights``, ``dram_maps_in``, ... by kind, those of the baseline
        ``dense_dram_weights``, ...

        Raises:
            ResultError: pandas is not installed.
        """
        try:
            import pandas
        except ImportError:
            raise ResultError("a table of pandas needs pandas: pip install pandas") from None
        return pandas.DataFrame(self.per_layer()).set_index("layer")

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Result:
        """Rebuild a result from the ``report.json`` that ``hwsim run --out`` wrote.

        Raises:
            ResultError: there is none, it is of another version, or something in it is not what it should be.
        """
        return read_result(path, SCHEMA)

    def __repr__(self) -> str:
        return text_summary(self)

    def _repr_html_(self) -> str:
        return html_summary(self)

    def to_dict(self) -> dict[str, Any]:
        """The whole result as JSON-able data."""
        return {
            "schema": SCHEMA,
            "title": self.title,
            "network": self.network,
            "variant": self.variant,
            "synthetic": self.synthetic,
            "left_out": [asdict(entry) for entry in self.left_out],
            "provenance": self.provenance,
            "calibration_pictures": self.calibration_pictures,
            "chain": self.chain,
            "images": list(self.images),
            "arch": self.arch.model_dump(),
            "sums": {"skipping": asdict(self.account.skipping), "dense": asdict(self.account.dense)},
            "totals": self.overall(),
            "per_layer": self.per_layer(),
            "layers": [asdict(layer) for layer in self.layers],
        }
