"""What the codec costs, in LUTs, clock and energy, beside what it saves: the machine with and without it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hwsim.machine.area import ADDITIONS, core_luts, placed_clocks, slowest_part
from hwsim.machine.result import Result
from hwsim.machine.simulation import simulate_machines
from hwsim.machine.totals import ratio, seconds_at
from hwsim.report import text
from hwsim.report.tables import Column

if TYPE_CHECKING:
    from hwsim.trace import Trace

PARTS = {"decoder": "decoder", "encoder": "encoder", ADDITIONS: "decoder of what is added to results"}
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
    def luts(self) -> tuple[float, float]:
        """Estimated LUTs of a core, with decoder and encoder and without."""
        parts = core_luts(self.coded.arch)
        return sum(parts.values()), sum(count for part, count in parts.items() if part not in PARTS)

    @property
    def luts_share(self) -> float | None:
        """Part of a core's estimated LUTs that decoder and encoder take."""
        whole, without = self.luts
        return ratio(whole - without, whole)

    @property
    def clocks(self) -> tuple[tuple[str, float], tuple[str, float]]:
        """A core's slowest part and its MHz on an ECP5, and the same without decoder and encoder."""
        return slowest_part(), slowest_part(PARTS)

    @property
    def seconds(self) -> tuple[float, float]:
        """What an image takes at these clocks, with the code and with raw maps."""
        (_, mhz), (_, raw_mhz) = self.clocks
        return (
            seconds_at(mhz, self.coded.overall()["cycles"]),
            seconds_at(raw_mhz, self.raw.overall()["cycles"]),
        )

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
        luts, raw_luts = (self.coded.arch.cores * count for count in self.luts)
        (part, mhz), (raw_part, raw_mhz) = self.clocks
        seconds, raw_seconds = self.seconds
        rows += [
            {
                "what": "LUTs of all cores, estimated",
                "coded": text.whole(luts),
                "raw": text.whole(raw_luts),
                "change": _change(luts, raw_luts),
            },
            {
                "what": "clock of a core's slowest part",
                "coded": f"{mhz:.1f} MHz, {part}",
                "raw": f"{raw_mhz:.1f} MHz, {raw_part}",
                "change": _change(mhz, raw_mhz),
            },
            {
                "what": "time at that clock",
                "coded": text.seconds(seconds),
                "raw": text.seconds(raw_seconds),
                "change": _change(seconds, raw_seconds),
            },
        ]
        return rows

    def to_dict(self) -> dict[str, Any]:
        """As ``report.json`` has it."""
        sides = ("coded", "raw")
        return {
            "luts_share": self.luts_share,
            "energy_share": self.energy_share,
            "core_luts": dict(zip(sides, self.luts, strict=True)),
            "ecp5_mhz": {side: mhz for side, (_, mhz) in zip(sides, self.clocks, strict=True)},
            "ecp5_seconds": dict(zip(sides, self.seconds, strict=True)),
            "coded": self.coded.overall(),
            "raw": self.raw.overall(),
        }

    def words(self) -> str:
        """The answer in a few sentences."""
        coded, raw = self.coded.overall(), self.raw.overall()
        luts, clocks = core_luts(self.coded.arch), placed_clocks()
        parts = ", ".join(f"the {name} {luts[part]:,.0f}" for part, name in PARTS.items())
        (slowest, mhz), (other, raw_mhz) = self.clocks
        seconds, raw_seconds = self.seconds
        return (
            f"What the code costs: it takes {text.percent(self.luts_share)} of a core's LUTs "
            f"({parts}; estimated from shipped synthesis results for an ECP5) and "
            f"{text.percent(self.energy_share)} of the energy. Placed alone there the decoder reaches "
            f"{clocks['decoder']:.1f} MHz and the encoder {clocks['encoder']:.1f}; a core's slowest part "
            f"is {slowest} ({mhz:.1f}), without them {other} ({raw_mhz:.1f}). "
            "What it saves against the same machine with raw maps: "
            f"{_change(coded['dram_bytes'], raw['dram_bytes'])} DRAM bytes, "
            f"{_change(coded['energy_uj'], raw['energy_uj'])} energy, "
            f"{_change(coded['cycles'], raw['cycles'])} cycles; in time at the clock of the slowest part, "
            f"{text.seconds(seconds)} in place of {text.seconds(raw_seconds)}, "
            f"{_change(seconds, raw_seconds)}."
        )


COST_COLUMNS = (
    Column("what", "of an image", "or of the machine", text.label, 9),
    Column("coded", "maps in SEG", "the machine with its code", str, 8),
    Column("raw", "maps raw", "the same machine, zeros skipped as well, with raw maps", str, 8),
    Column("change", "with the code", "more or less than with raw maps", str, 8),
)
NOTE = (
    "A machine with raw maps still reads them through its decoder, one value a cycle; its LUTs and its clock "
    "are given without decoder and encoder. What would unpack raw values in their place was not synthesized. "
    "DRAM is counted in cycles at either clock."
)


def _change(coded: float, raw: float) -> str:
    """``20.0 % less``; a dash where there is nothing to compare with."""
    part = ratio(coded, raw)
    if part is None:
        return text.NOTHING
    return "the same" if part == 1 else f"{text.percent(abs(part - 1))} {'more' if part > 1 else 'less'}"
