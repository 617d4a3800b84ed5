"""A pass for a core: the map buffer that it reads, and what the page says of every cycle."""

from dataclasses import dataclass

import numpy as np
from core_cases import Case, operands, stored_words
from reference_core import Outcome, run_pass

from hwsim.arch import DRAIN_LATENCY, MAC_LATENCY
from hwsim.codec.seg_lengths import code_lengths
from hwsim.machine.passes import EVENT_FIELDS, SERVED_FIELDS, time_pass
from hwsim.machine.rows import input_rows
from hwsim.machine.symbols import stored_symbols

LINE = 8  # words
ENTRIES = 16  # of the index, in a line


@dataclass(frozen=True)
class Events:
    """When the recurrence has what: ``symbols``, the cycle of each; ``chosen`` and ``served``, lane and cycle
    of every item that is chosen, and of every slot that is used; in how many cycles a tap is visited."""

    cycles: int
    taps: int
    symbols: list[int]
    chosen: list[list[int]]
    served: list[list[int]]


@dataclass(frozen=True)
class MappedPass:
    """What a core sees of a pass, beside its weights, scales and row descriptors.

    Attributes:
        config: fields of ``PassConfig``.
        map_rows: fields of ``MapRow``, in the order of reading.
        lines: uint64 (lines, 8), the map buffer, the index behind the map.
        first_index: the line of the index that the pass begins with.
        there: int64 (lines,), cycle from which each line is in the map buffer.
        counts, raw, places: of every segment, its words, whether it is raw, its place.
    """

    case: Case
    block: int
    segments: range
    config: dict
    map_rows: list[dict]
    lines: np.ndarray
    first_index: int
    there: np.ndarray
    counts: np.ndarray
    raw: np.ndarray
    places: np.ndarray

    @property
    def lengths(self) -> int:
        """Those in that line of the index, as the core takes them."""
        return lengths_of(self.lines, self.first_index)

    def recurrence(self, period: int) -> Events:
        """Its events by hwsim/machine/passes.py."""
        case, values = self.case, operands(self.case).values
        arch, code = case.arch, case.source
        run_max = arch.run_max if arch.skip_zeros else 0
        lengths = code_lengths(code.order)
        symbols = stored_symbols(values, self.block, self.raw, lengths, code.bits, run_max)
        events = np.empty((values.size, len(EVENT_FIELDS)), np.int64)
        served = np.empty((int(self.counts.sum()) + self.counts.size, len(SERVED_FIELDS)), np.int64)
        timing = time_pass(
            case.layer,
            symbols,
            arch,
            input_rows(case.layer, np.array(case.owned)),
            segments=self.segments,
            out_channels=case.out_channels,
            words=self.counts.astype(np.int32),
            places=self.places,
            period=period,
            there=self.there,
            events=events,
            served=served,
        )
        decoded, _, _, _, lane, chosen = events[: timing.symbols].T
        items = np.stack([lane, chosen], axis=1)[chosen >= 0]
        return Events(
            cycles=timing.cycles,
            taps=timing.tap_cycles,
            symbols=sorted(decoded.tolist()),
            chosen=items[np.argsort(items[:, 1])].tolist(),
            served=served[: timing.words // LINE, 1::-1].tolist(),
        )

    def stepped(self, period: int) -> Outcome:
        """Its events by tests/reference_core.py."""
        case, values = self.case, operands(self.case).values
        return run_pass(
            case.layer,
            values,
            case.owned,
            channels=case.unit.reads,
            block=self.block,
            out_channels=case.out_channels,
            columns=case.arch.columns,
            order=case.source.order if case.arch.compress else None,
            bits=case.source.bits,
            skip_zeros=case.arch.skip_zeros,
            run_max=case.arch.run_max,
            period=period,
            latencies=(MAC_LATENCY, DRAIN_LATENCY),
            places=self.places,
            there=self.there.__getitem__,
        )


def mapped_pass(case: Case, late: int = 0) -> MappedPass:
    """A pass as a core reads it: a depthwise layer's rows in halves of the channels.

    Places have the size of the longest segment, in halves of a line.

    Args:
        case: the pass.
        late: lines come up to so many cycles after the start.
    """
    layer, arch, reads = case.layer, case.arch, case.unit.reads
    values = operands(case).values
    halves = 2 if case.depthwise and case.block > 1 else 1
    block = case.block // halves
    data, counts, raw = stored_words(values, block, case.source, arch.compress)
    height, blocks = counts.shape
    stride = -(-int(counts.max()) // (LINE // 2)) * (LINE // 2)
    places = np.arange(height * blocks).reshape(height, blocks) * stride
    lines, index_line = lines_of(data, counts, raw, places)

    segments = range(reads.start // block, -(-reads.stop // block))
    whole, width = min(block, len(reads)), layer.in_shape[2]
    core = case.geometry.core_config(arch)
    core["decoder"] |= {
        "segments": len(segments),
        "full_values": whole * width,
        "tail_values": (len(reads) - (len(segments) - 1) * whole) * width,
    }
    channel_words = core["channel_words"]
    core["segment_words"] = whole * channel_words
    config = {
        "core": core,
        "place_words": stride,
        "index_line": index_line,
        "segment_pixels": whole * layer.out_shape[2] if case.depthwise else 0,
    }
    rows = input_rows(layer, np.array(case.owned)).y
    first = segments.start
    map_rows = [{"place": int(places[y, first]), "entry": int(y * blocks + first)} for y in rows]
    there = np.random.default_rng(case.seed).integers(0, late + 1, len(lines))
    return MappedPass(
        case=case,
        block=block,
        segments=segments,
        config=config,
        map_rows=map_rows,
        lines=lines,
        first_index=index_line + map_rows[0]["entry"] // ENTRIES,
        there=there,
        counts=counts,
        raw=raw,
        places=places,
    )


def lines_of(
    data: np.ndarray, counts: np.ndarray, raw: np.ndarray, places: np.ndarray
) -> tuple[np.ndarray, int]:
    """A map in the lines of a map buffer, its index behind it.

    Args:
        data: uint64, the words of all segments.
        counts, raw, places: of each segment, (H, blocks): how many words, whether it is raw, and the number
            of the first one's place.

    Returns:
        uint64 (lines, 8), and the line in which the index begins.
    """
    first = -(-int((places + counts).max()) // LINE)
    flat = np.zeros((first + -(-counts.size // ENTRIES)) * LINE, np.uint64)
    starts = np.cumsum(counts).reshape(counts.shape) - counts
    for place, start, size in zip(places.ravel(), starts.ravel(), counts.ravel(), strict=True):
        flat[place : place + size] = data[start : start + size]
    index = flat.view(np.uint32)[first * LINE * 2 :]
    # What stands beside the lengths does not matter.
    index[: counts.size] = counts.ravel() | raw.ravel() << 15 | 0xABCD << 16
    return flat.reshape(-1, LINE), first


def lengths_of(lines: np.ndarray, first_index: int) -> int:
    """The lengths in a line of the index, 16 bits each, the first entry's lowest."""
    entries = lines[first_index].view(np.uint32).tolist()
    return sum((entry & 0xFFFF) << 16 * i for i, entry in enumerate(entries))


def fields_of(lengths: int) -> list[dict]:
    """The same as fields of ``SegmentLength``."""
    each = [lengths >> 16 * i & 0xFFFF for i in range(ENTRIES)]
    return [{"words": one & 0x7FFF, "raw": one >> 15} for one in each]
