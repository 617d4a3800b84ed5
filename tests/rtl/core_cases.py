"""Random passes of a core: what goes in, and what model and reference say must come out."""

from dataclasses import dataclass, field

import numpy as np
from hypothesis import strategies as st
from layers import any_layer
from reference_rows import channels_read, order_of_draining, ring_rows
from reference_segments import segments_of

from hwsim.arch import SUB_BANKS, Arch
from hwsim.layer import Layer
from hwsim.machine.descriptors import Code, PassGeometry, column_weights
from hwsim.machine.units import Unit, block_limits, unit_weights, units_of
from hwsim.quantize import Requantize
from hwsim.reference import run_layer

DENSITIES = (0.0, 0.02, 0.2, 0.6, 1.0)


@dataclass(frozen=True)
class Operands:
    """What a layer computes with: its map, uint16 (C, H, W), its weights and its drain."""

    values: np.ndarray
    weights: np.ndarray
    requantize: Requantize


@dataclass(frozen=True)
class Case:
    """A pass: everything that its cycles and its bits depend on.

    ``first``: of the output channels (channels if depthwise) that the pass makes, ``out_channels`` of them.
    ``given``: real operands; None: random ones, with that ``density`` and ``seed``.
    """

    layer: Layer
    arch: Arch
    owned: tuple[int, ...]
    first: int
    out_channels: int
    block: int
    out_block: int
    source: Code
    target: Code
    shift: int
    density: float
    seed: int
    given: Operands | None = field(default=None, repr=False, compare=False)

    @property
    def depthwise(self) -> bool:
        return self.layer.kind == "depthwise"

    @property
    def unit(self) -> Unit:
        """The channels that it makes and reads."""
        made = range(self.first, self.first + self.out_channels)
        return Unit(made, channels_read(self.layer, made))

    @property
    def geometry(self) -> PassGeometry:
        return PassGeometry(
            layer=self.layer,
            channels=len(self.unit.reads),
            owned=self.owned,
            out_channels=self.out_channels,
            block=self.block,
            out_block=self.out_block,
            source=self.source,
            target=self.target,
            shift=self.shift,
            relu=self.layer.relu,
            skip_zeros=self.arch.skip_zeros,
            compress=self.arch.compress,
            clamps=clamps_of(self),
        )


def clamps_of(case: Case) -> tuple[int, int] | None:
    """Of a layer with clamps of its own: any two integers that its code has."""
    if case.given is not None:
        return case.given.requantize.clamps
    if not case.layer.clamped:
        return None
    limit = (1 << case.target.bits - case.target.signed) - 1
    least = -limit if case.target.signed and not case.layer.relu else 0
    low, high = sorted(np.random.default_rng(case.seed + 1).integers(least, limit + 1, 2).tolist())
    return low, high


@dataclass(frozen=True)
class Expected:
    """What must come out."""

    words: np.ndarray  # uint64
    last: np.ndarray
    index: np.ndarray


@st.composite
def layers(draw, max_width: int = 24) -> Layer:
    """Layers of every kind that the RTL takes."""
    kind = draw(st.sampled_from(["conv", "conv", "depthwise", "linear"]))
    channels = draw(st.integers(1, 12))
    filters = channels if kind == "depthwise" else draw(st.integers(1, 9))
    if kind == "linear":
        grid = draw(
            st.sampled_from([(1, 1), (1, max_width), (draw(st.integers(1, 9)), draw(st.integers(1, 9)))])
        )
        told = {"relu": draw(st.booleans()), "clamped": draw(st.booleans())}
        return Layer("l", kind, "x", (channels, *grid), (filters, *grid), **told)
    shape = (channels, draw(st.integers(1, 9)), draw(st.integers(1, max_width)))
    limits = draw(st.sampled_from([{}, {}, {"most_kernel": 16, "most_stride": 16}]))
    return draw(any_layer(kind, shape, filters, **limits))


def codes(arch: Arch):
    """Codes of maps that a machine takes."""
    return st.builds(
        Code, bits=st.integers(4, arch.activation_bits), order=st.integers(0, 15), signed=st.booleans()
    )


@st.composite
def cases(draw, arch: Arch) -> Case:
    """A random pass of a machine with these widths; ``skip_zeros`` and ``compress`` are drawn too."""
    layer = draw(layers().filter(lambda layer: _fits(layer.out_shape[2], layer, arch)))
    blocks = [b for b in (1, 2, 4, 8, 16, 32, 64) if b <= arch.columns]
    if layer.kind == "depthwise":
        block = draw(st.sampled_from([b for b in blocks if _fits(b * layer.out_shape[2], layer, arch)]))
        first = draw(st.integers(0, (layer.in_shape[0] - 1) // block)) * block
        out_channels = min(block, layer.in_shape[0] - first)
    else:
        limit, _ = block_limits(layer, arch.columns)
        block = draw(st.sampled_from([b for b in blocks if b <= limit]))
        made = draw(st.sampled_from(units_of(layer, arch.columns, block))).makes
        first, out_channels = made.start, len(made)
        if layer.groups == 1:
            out_channels = draw(st.integers(1, len(made)))
    source, target = draw(codes(arch)), draw(codes(arch))
    # About the shift that spreads the sums over the codes.
    spread = source.bits + arch.weight_bits + 16 - target.bits
    return Case(
        layer=layer,
        arch=arch.replace(skip_zeros=draw(st.booleans()), compress=draw(st.booleans())),
        owned=draw(
            st.sets(st.integers(0, layer.out_shape[1] - 1), min_size=1).map(
                lambda rows: tuple(row for row in order_of_draining(layer) if row in rows)
            )
        ),
        first=first,
        out_channels=out_channels,
        block=block,
        out_block=draw(st.sampled_from(blocks)),
        source=source,
        target=target,
        shift=min(47, max(1, spread + draw(st.integers(-6, 6)))),
        density=draw(st.sampled_from(DENSITIES)),
        seed=draw(st.integers(0, 2**32 - 1)),
    )


def _fits(row: int, layer: Layer, arch: Arch) -> bool:
    """Whether a ring of rows of ``row`` accumulators fits a bank, and the weights their memory."""
    taps = layer.kernel[0] * layer.kernel[1]
    words = 12 * -(-taps // arch.columns) if layer.kind == "depthwise" else layer.in_shape[0] * taps
    return (
        words <= arch.weight_words
        and ring_rows(layer) * -(-row // (arch.accumulators // SUB_BANKS)) <= SUB_BANKS
    )


def operands(case: Case) -> Operands:
    """What the layer of a pass computes with."""
    if case.given is not None:
        return case.given
    layer = case.layer
    rng = np.random.default_rng(case.seed)
    values = rng.integers(1, 2**case.source.bits, layer.in_shape) >> rng.integers(
        0, case.source.bits, layer.in_shape
    )
    values = np.where(rng.random(values.shape) < case.density, np.maximum(values, 1), 0).astype(np.uint16)
    weight_limit = 2 ** (case.arch.weight_bits - 1)
    weights = rng.integers(-weight_limit, weight_limit, layer.weight_shape).astype(np.int16)
    filters = layer.out_shape[0]
    requantize = Requantize(
        rng.integers(-(2**31), 2**31, filters) >> rng.integers(0, 32, filters),
        rng.integers(1, 2**16, filters) >> rng.integers(0, 8, filters),
        case.shift,
        layer.relu,
        case.target.bits,
        case.target.signed,
        case.target.order,
        clamps_of(case),
    )
    return Operands(values, weights, requantize)


def loaded(case: Case) -> dict[str, np.ndarray]:
    """What is loaded for a pass: ``weights``, int (words, M); ``bias`` and ``multiplier`` of its channels."""
    given = operands(case)
    weights = unit_weights(case.layer, given.weights, case.unit)
    made = slice(case.first, case.first + case.out_channels)
    return {
        "weights": column_weights(weights, case.arch.columns, case.depthwise),
        "bias": given.requantize.bias[made],
        "multiplier": given.requantize.multiplier[made],
    }


def expected_of(case: Case) -> Expected:
    """What the integer reference makes of a pass."""
    given = operands(case)
    whole = run_layer(case.layer, given.values, given.weights, given.requantize, case.source.signed)
    out = whole[case.first : case.first + case.out_channels][:, list(case.owned)]
    words, counts, raw = stored_words(out, case.out_block, case.target, case.arch.compress)
    nonzeros = np.add.reduceat(
        np.count_nonzero(out, axis=2), np.arange(0, len(out), case.out_block), axis=0
    ).T.ravel()
    last = np.zeros(len(words), bool)
    last[np.cumsum(counts) - 1] = True
    lengths = counts.ravel() | raw.ravel() << 15
    index = np.array(list(zip(lengths, nonzeros, strict=True)), [("words", "<u2"), ("nonzeros", "<u2")])
    return Expected(words, last, index)


def handful(arch: Arch) -> list[Case]:
    """Small passes of every kind, for simulators that are slow; the machine has four columns or more."""

    def case(kind, in_shape, out_shape, kernel=(1, 1), stride=1, padding=(0, 0), **changes) -> Case:
        kinds = ("relu", "groups", "dilation", "transposed", "clamped")
        special = {name: changes.pop(name) for name in kinds if name in changes}
        layer = Layer("l", kind, "x", in_shape, out_shape, kernel, stride, padding, **special)
        fields = {
            "arch": arch,
            "owned": tuple(range(out_shape[1])),
            "first": 0,
            "out_channels": min(arch.columns, out_shape[0]),
            "block": 4,
            "out_block": 4,
            "source": Code(8, 2),
            "target": Code(8, 3),
            "shift": 24,
            "density": 0.5,
            "seed": 7,
        }
        return Case(layer=layer, **(fields | changes))

    dense = arch.dense()
    return [
        case("conv", (5, 6, 7), (4, 6, 7), (3, 3), padding=(1, 1)),
        case("conv", (6, 5, 9), (3, 3, 5), (5, 2), 2, (2, 1), relu=False, target=Code(6, 0, True)),
        case("conv", (2, 11, 13), (4, 3, 2), (11, 9), (3, 5), (3, 1)),
        case("conv", (3, 7, 9), (4, 7, 9), (3, 3), padding=(2, 2), dilation=(2, 2), owned=(0, 2, 6, 1, 3)),
        case("depthwise", (4, 5, 12), (4, 3, 6), (3, 3), (2, 1), (3, 3), dilation=(3, 3), owned=(0, 1, 2)),
        case("conv", (3, 4, 3), (3, 8, 7), (3, 4), (2, 2), (0, 1), transposed=True),
        case("conv", (6, 4, 5), (6, 4, 5), (3, 3), padding=(1, 1), groups=3),
        case("conv", (3, 3, 4), (2, 8, 11), (2, 1), (3, 3), transposed=True),
        case("depthwise", (4, 5, 6), (4, 5, 6), (3, 3), padding=(1, 1), source=Code(7, 1, True)),
        case("depthwise", (3, 4, 8), (3, 2, 4), (2, 2), 2, out_block=2, arch=dense),
        case("linear", (40, 1, 1), (4, 1, 1), density=0.1),
        case("conv", (4, 9, 1), (4, 9, 1), (3, 1), padding=(1, 0), owned=(0, 2, 3, 7)),
        case("conv", (3, 1, 20), (2, 1, 14), (1, 7), arch=dense, target=Code(5, 0), out_block=1),
        case("conv", (4, 8, 8), (4, 8, 8), density=0.0),
        case("conv", (1, 5, 10), (4, 5, 10), density=1.0),  # sums wait for the drain of those before
        case("linear", (6, 1, 17), (4, 1, 17), relu=False, clamped=True, target=Code(9, 4, True)),
    ]


def entry_fields(words: int, nonzeros: int) -> dict[str, int]:
    """Fields of an index entry; bit 15 of ``words`` says that the segment is raw."""
    return {"words": int(words) & 0x7FFF, "raw": int(words) >> 15, "nonzeros": int(nonzeros)}


def stored_words(
    values: np.ndarray, block: int, code: Code, compress: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A map as docs/architecture.md stores it: the words of all segments, uint64; of each, (H, channel
    blocks), how many it has, and whether it is raw."""
    channels, height, _ = values.shape
    order = code.order if compress else None
    segments = segments_of(values, range(height), range(channels), block, order, code.bits)
    words = np.array([int(word.bits, 2) for segment in segments for word in segment.words], np.uint64)
    counts = np.array([len(segment.words) for segment in segments]).reshape(height, -1)
    return words, counts, np.array([segment.raw for segment in segments]).reshape(height, -1)
