"""What the codec costs, in LUTs, clock and energy, beside what it saves: the machine with and without it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hwsim.machine.area import core_luts, placed_clocks
from hwsim.machine.result import Result
from hwsim.machine.simulation import simulate_machines
from hwsim.machine.totals import ratio
from hwsim.report import text
from hwsim.report.tables import Column

if TYPE_CHECKING:
    from hwsim.trace import Trace

PARTS = ("decoder", "encoder")
ENERGY = ("decode", "encode")  # components of the energy


@dataclass(frozen=True)
class CodecCost:
    """A result, and the same images on the same machine with the other of maps in SEG and raw maps.

    Attributes:
        coded, raw: the two.
    """

    coded: Result
    raw: Result

    @classmethod
    def of(cls, trace: Trace, result: Result) -> CodecCost:
        """Run the machine with its maps stored the other way."""
        other = result.arch.replace(compress=not result.arch.compress)
        (found,) = simulate_machines(trace, [other], result.images)
        return cls(*((result, found) if result.arch.compress else (found, result)))

    @property
    def luts_share(self) -> float | None:
        """Part of a core's estimated LUTs that decoder and encoder take."""
        luts = core_luts(self.coded.arch)
        return ratio(sum(luts[part] for part in PARTS), sum(luts.values()))

    @property
    def energy_share(self) -> float | None:
        """Part of the energy that decoding and encoding take."""
        total = self.coded.overall()
        return ratio(sum(total[f"energy_uj_{part}"] for part in ENERGY), total["energy_uj"])

    def rows(self) -> list[dict[str, str]]:
        """Rows in words: cycles, bytes, energy of an image with the code and without, and what it does."""
        coded, raw = self.coded.overall(), self.raw.overall()
        rows = [
            {
                "what": what,
                "coded": show(coded[key]),
                "raw": show(raw[key]),
                "change": _change(coded[key], raw[key]),
            }
            for what, key, show in (
                ("cycles", "cycles", text.whole),
                ("maps over DRAM", "dram_maps", text.size),
                ("all DRAM", "dram_bytes", text.size),
                ("energy", "energy_uj", text.energy),
                ("energy of decoding", "energy_uj_decode", text.energy),
                ("energy of encoding", "energy_uj_encode", text.energy),
            )
        ]
        luts, cores = core_luts(self.coded.arch), self.coded.arch.cores
        both, whole = cores * sum(luts[part] for part in PARTS), cores * sum(luts.values())
        rows.append(
            {
                "what": "LUTs of all cores, estimated",
                "coded": text.whole(whole),
                "raw": text.whole(whole - both),
                "change": _change(whole, whole - both),
            }
        )
        return rows

    def words(self) -> str:
        """The answer in a few sentences."""
        coded, raw = self.coded.overall(), self.raw.overall()
        luts, clocks = core_luts(self.coded.arch), placed_clocks(self.coded.arch.lanes)
        others = {name: mhz for name, mhz in clocks.items() if name not in PARTS}
        slowest = min(others, key=lambda name: others[name])
        parts = ", ".join(f"the {part} {luts[part]:,.0f}" for part in PARTS)
        return (
            f"What the code costs: decoder and encoder take {text.percent(self.luts_share)} of a core's LUTs "
            f"({parts}; estimated from shipped synthesis results for an ECP5) and "
            f"{text.percent(self.energy_share)} of the energy. Placed alone the decoder reaches "
            f"{clocks['decoder']:.0f} MHz and the encoder {clocks['encoder']:.0f}; the slowest other part, "
            f"{slowest}, {others[slowest]:.0f}. What it saves against the same machine with raw maps: "
            f"{_change(coded['dram_bytes'], raw['dram_bytes'])} DRAM bytes, "
            f"{_change(coded['energy_uj'], raw['energy_uj'])} energy, "
            f"{_change(coded['cycles'], raw['cycles'])} cycles."
        )


COST_COLUMNS = (
    Column("what", "of an image", "or of the machine", text.label, 9),
    Column("coded", "maps in SEG", "the machine with its code", str, 8),
    Column("raw", "maps raw", "the same machine, zeros skipped as well, with raw maps", str, 8),
    Column("change", "with the code", "more or less than with raw maps", str, 8),
)
NOTE = (
    "A machine with raw maps still reads them through its decoder, one value a cycle; its LUTs are given "
    "without decoder and encoder, which is the most that leaving out the code could save."
)


def _change(coded: float, raw: float) -> str:
    """``20.0 % less``; a dash where there is nothing to compare with."""
    part = ratio(coded, raw)
    if part is None:
        return text.NOTHING
    return "the same" if part == 1 else f"{text.percent(abs(part - 1))} {'more' if part > 1 else 'less'}"
