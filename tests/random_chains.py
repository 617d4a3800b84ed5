"""Random chains of layers with pools and flattening between, as hypothesis draws them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st
from layers import any_layer
from random_networks import MemoryTrace, calibrated, machines
from random_programs import WholeTrace
from reference_work import Between, Pool

from hwsim.arch import SUB_BANKS, Arch
from hwsim.between import AveragePool, Flow, MaxPool, Reshape, Value
from hwsim.layer import Kind, Layer
from hwsim.machine.rows import row_order
from hwsim.quantize import Requantize
from hwsim.reference import run_network

Shape = tuple[int, int, int]


@dataclass
class ChainTrace(MemoryTrace):
    """A chain in memory that says what lies between its maps, ``between``: of every layer, the next one."""

    between: tuple[Between, ...] = ()

    @property
    def flow(self) -> Flow:
        results, values, operators = {}, [], list[Any]()
        for number, (layer, link) in enumerate(zip(self.layers, self.between, strict=True)):
            shape, made = layer.out_shape, layer.output or "result"
            names = [f"{layer.name}.{step}" for step in ("made", "pooled")]
            shapes = [shape, pooled_shape(shape, link.pool)]
            steps = [link.pool is not None, link.flatten]
            inner = [names[0]] * any(steps) + [names[1]] * all(steps)
            results[layer.name] = inner[0] if inner else made
            values += [
                Value(name, each, self.bits, False, 1.0) for name, each in zip(inner, shapes, strict=False)
            ]
            ends = [*inner[1:], made]
            if link.pool is not None:
                operators.append(pool_operator(link.pool, inner[0], ends[0], self.bits))
            if link.flatten:
                operators.append(Reshape((inner[-1],), made))
            if number + 1 == len(self.layers):
                values.append(Value(made, shape, self.bits, False, 1.0))
        return Flow((self.layers[0].input,), results, tuple(values), tuple(operators))


def pool_operator(pool: Pool, read: str, made: str, bits: int) -> MaxPool | AveragePool:
    """A pool as an operator; means are of padding, too."""
    top, left = pool.padding
    padding = (top, left, top, left)
    if pool.mean is None:
        return MaxPool((read,), made, kernel=pool.kernel, stride=pool.stride, padding=padding)
    shift, multiplier = pool.mean
    places = pool.kernel[0] * pool.kernel[1]
    return AveragePool(
        (read,), made, 0, 2**bits - 1, shift, pool.kernel, pool.stride, padding, True, ((places, multiplier),)
    )


def pooled_shape(shape: Shape, pool: Pool | None) -> Shape:
    """What a pool makes of a map."""
    if pool is None:
        return shape
    rows, columns = (
        (size + 2 * padding - kernel) // stride + 1
        for size, padding, kernel, stride in zip(
            shape[1:], pool.padding, pool.kernel, pool.stride, strict=True
        )
    )
    return shape[0], rows, columns


@st.composite
def pools(draw, shape: Shape) -> Pool:
    """A pool whose windows all see something of a map."""
    axes = []
    for size in shape[1:]:
        kernel = draw(st.one_of(st.just(size), st.integers(1, min(7, size + 1))))
        padding = draw(st.integers(max(0, -(-(kernel - size) // 2)), min(3, kernel - 1)))
        axes.append((kernel, draw(st.integers(1, 4)), padding))
    kernel, stride, padding = zip(*axes, strict=True)
    if not draw(st.booleans()):
        return Pool(kernel, stride, padding)
    shift, times = draw(st.integers(1, 20)), draw(st.sampled_from([0.0, 0.5, 1.0, 3.0]))
    multiplier = min(65535, round(times * 2**shift / (kernel[0] * kernel[1])))
    return Pool(kernel, stride, padding, (shift, multiplier))


@st.composite
def whole_chains(draw, most_layers: int = 5) -> ChainTrace:
    """Layers of any kind, between some of them a pool, or a flattening, or both."""
    shape = (draw(st.integers(1, 6)), draw(st.integers(1, 9)), draw(st.integers(1, 8)))
    order, bits = draw(st.integers(0, 8)), draw(st.integers(2, 16))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    layers, values, between = [], {}, []
    count = draw(st.integers(1, most_layers))
    for i in range(count):
        depthwise = draw(st.booleans())
        kind: Kind = "depthwise" if depthwise else "conv"
        filters = shape[0] if depthwise else draw(st.integers(1, 7))
        names = (f"l{i}", f"m{i}", f"m{i + 1}" if i + 1 < count else None)
        layers.append(draw(any_layer(kind, shape, filters, names=names, most_kernel=3, most_stride=3)))
        assume(max(layers[-1].out_shape[1:]) <= 20)
        assume(row_order(layers[-1]).ring <= SUB_BANKS)  # a core has room for no more
        map_ = rng.integers(1, 2**bits, (1, *shape))
        values[f"m{i}"] = np.where(rng.random(map_.shape) < draw(st.sampled_from([0.0, 0.3, 1.0])), map_, 0)
        values[f"m{i}"] = values[f"m{i}"].astype(np.uint16)
        shape = layers[-1].out_shape
        link = Between()
        if i + 1 < count:
            pool = draw(st.one_of(st.none(), pools(shape)))
            shape = pooled_shape(shape, pool)
            flatten = shape[1:] != (1, 1) and shape[0] * shape[1] * shape[2] <= 30 and draw(st.booleans())
            if flatten:
                shape = (shape[0] * shape[1] * shape[2], 1, 1)
            link = Between(pool, flatten)
        between.append(link)
    trace = draw(calibrated(MemoryTrace(tuple(layers), values, order, bits)))
    return ChainTrace(**vars(trace), between=tuple(between))


@st.composite
def whole_machines(draw) -> Arch:
    """Machines on whose chip all maps of such a chain have room; 270 words are its largest pass."""
    return draw(machines).replace(map_buffer=1 << 20, weight_words=draw(st.sampled_from([270, 400, 9216])))


@dataclass
class RunnableChain(ChainTrace, WholeTrace):
    """A chain with pools that a program can hold, with drains that make small values, some of them 0, and
    some with clamps of their own."""

    def requantize(self, layer: Layer) -> Requantize:
        rng, made = self._rng(layer), layer.out_shape[0]
        bias, multiplier = rng.integers(-(2**12), 2**14, made), rng.integers(2**14, 2**16, made)
        clamps = self._clamps(layer, rng)
        return Requantize(bias, multiplier, 28, False, self.bits, False, self.order, clamps)


def as_made(chain: ChainTrace) -> RunnableChain:
    """A chain with the maps that its layers make."""
    maps = run_network(RunnableChain(**vars(chain)), 0)
    made = {name: maps[name][None].astype(np.uint16) for name in chain.values}
    return RunnableChain(**{**vars(chain), "values": made})


def wide_chain(clamped: bool = False) -> RunnableChain:
    """A max pool that has no room in a descriptor, of windows in two parts, and the mean of a whole map; with
    ``clamped``, of a layer whose drain has clamps of its own."""
    layers = (
        Layer("one", "conv", "x", (2, 9, 20), (5, 9, 20), (3, 3), padding=(1, 1), output="y"),
        Layer("two", "conv", "y", (5, 5, 16), (6, 5, 16), output="z", clamped=clamped),
        Layer("three", "linear", "z", (6, 1, 1), (4, 1, 1)),
    )
    between = (Between(Pool((3, 9), (2, 1), (1, 2))), Between(Pool((5, 16), (5, 16), (0, 0), (16, 820))))
    values = {layer.input: np.zeros((1, *layer.in_shape), np.uint16) for layer in layers}
    values["x"][0] += np.random.default_rng(0).integers(0, 9, layers[0].in_shape).astype(np.uint16)
    return as_made(ChainTrace(layers, values, 2, 8, between=(*between, Between())))
