"""Run a trace's layers on a real processor: check every kernel's output, then time it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from hwsim.errors import MeasureError, NoWeightsError
from hwsim.layer import Layer
from hwsim.measure import cpu
from hwsim.measure.kernels import Kernel
from hwsim.measure.problem import Problem, pad
from hwsim.measure.record import SCHEMA, Device, KernelTiming, Machine, Measured, MeasuredLayer
from hwsim.quantize import dequantize

if TYPE_CHECKING:
    from hwsim.trace import Trace

DEFAULT_IMAGES = 8
MAX_SETS = 32  # input sets that a kernel goes through in turn
SET_BYTES = 64 << 20  # and their size together, beyond which there need be no more
WARM_UP = 2  # rounds
SECONDS = 4.0  # for one kernel on one layer; then there are fewer rounds
SEED = 0


@dataclass(frozen=True)
class _Target:
    """A device: its kernels, its clock (seconds that the work given to it takes) and its description."""

    kernels: list[Kernel]
    clock: Callable[[Callable[[], None]], float]
    machine: Machine
    notes: tuple[str, ...]


def measure(
    trace: Trace,
    device: Device = "cpu",
    images: Sequence[int] | None = None,
    kernels: Sequence[str] | None = None,
    repeats: int = 20,
    threads: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Measured:
    """Time every layer of a trace on a real processor, dense and sparse.

    A kernel whose output differs from the layer's by more than rounding explains is not timed.

    Args:
        trace: from :func:`hwsim.open_trace`. Layers without weights get seeded random ones, and the record
            says so: a kernel's time depends on the maps, not on the weights.
        device: ``cpu``, or ``cuda`` for the first GPU that torch sees.
        images: numbers of the images whose maps are used in turn; the first 8 if not given.
        kernels: names from :func:`kernel_names`; all of the device if not given.
        repeats: rounds; fewer for a kernel that takes long (4 s a layer).
        threads: of every kernel on a CPU. scipy's have one, so only 1 compares like with like.
        progress: called with (layers done, layers in all).

    Raises:
        MeasureError: there is no such device here, no such kernel, or a number is out of range.
        TraceError: an image that the trace does not have, or damage.
    """
    if repeats < 1 or threads < 1:
        raise MeasureError(f"repeats and threads must be 1 or more, not {repeats} and {threads}")
    numbers = tuple(range(min(trace.images, DEFAULT_IMAGES)) if images is None else images)
    if not numbers:
        raise MeasureError("no images: name one or more")
    with _target(device, threads) as target:
        chosen = _choose(target.kernels, kernels, device)
        layers, made_up = [], []
        for done, layer in enumerate(trace.layers):
            weights, random = _weights(trace, layer)
            made_up += [layer.name] if random else []
            codes = [trace.map(layer.input, number) for number in numbers]
            info = trace.maps[layer.input]
            if layer.transposed:
                why = "transposed convolutions are not measured"
                timings = tuple(KernelTiming(kernel.info.name, not_measured=why) for kernel in chosen)
            else:
                maps = tuple(pad(layer, dequantize(code, info.scale, info.signed)) for code in codes)
                problem = Problem(layer, weights, maps)
                timings = tuple(_time(kernel, problem, repeats, target.clock) for kernel in chosen)
            density = sum(int(np.count_nonzero(code)) for code in codes) / sum(code.size for code in codes)
            layers.append(MeasuredLayer(layer.name, layer.kind, density, timings))
            if progress is not None:
                progress(done + 1, len(trace.layers))
    return Measured(
        schema=SCHEMA,
        network=trace.network,
        variant=trace.variant,
        synthetic=trace.synthetic,
        weights=_origin(made_up, len(layers)),
        images=numbers,
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        machine=target.machine,
        kernels=tuple(kernel.info for kernel in chosen),
        layers=tuple(layers),
        notes=target.notes,
    )


def kernel_names(device: Device = "cpu") -> tuple[str, ...]:
    """Names of the kernels that can run here.

    Raises:
        MeasureError: there is no such device here.
    """
    with _target(device, 1) as target:
        return tuple(kernel.info.name for kernel in target.kernels)


@contextmanager
def _target(device: Device, threads: int) -> Iterator[_Target]:
    if device not in ("cpu", "cuda"):
        raise MeasureError(f"no device {device!r}: give cpu or cuda")
    if device == "cuda" and not cpu.has_torch():
        raise MeasureError("measuring on a GPU needs torch: install hwsim[train], or measure with device cpu")
    with cpu.threads(threads) as notes:
        if device == "cuda":
            from hwsim.measure import cuda

            cuda.require()
            machine = Machine(device, cuda.name(), cuda.driver(), cpu.libraries() | cuda.libraries(), threads)
            notes = (cpu.load(), "torch has no int8 convolution on CUDA")
            yield _Target(cuda.kernels(), cuda.clock, machine, notes)
            return
        if not cpu.has_torch():
            notes = (*notes, "torch is not installed: only the kernels of numpy and scipy ran")
        machine = Machine(device, cpu.name(), "", cpu.libraries(), threads)
        yield _Target(cpu.kernels(), cpu.clock, machine, (cpu.load(), *notes))


def _choose(kernels: list[Kernel], names: Sequence[str] | None, device: str) -> list[Kernel]:
    if names is None:
        return kernels
    known = {kernel.info.name: kernel for kernel in kernels}
    for name in names:
        if name not in known:
            raise MeasureError(f"no kernel {name!r} on {device}; there are {', '.join(known)}")
    return [known[name] for name in dict.fromkeys(names)]


def _origin(made_up: Sequence[str], layers: int) -> str:
    """Where the weights are from, in words."""
    if not made_up:
        return "of the trace"
    if len(made_up) == layers:
        return f"random, seed {SEED}: the trace has none"
    return f"of the trace; random, seed {SEED}, for {', '.join(made_up)}: the trace has none"


def _weights(trace: Trace, layer: Layer) -> tuple[np.ndarray, bool]:
    """Real weights, float64, and whether they are made up."""
    try:
        return trace.weights(layer) * np.asarray(trace.weight_scale(layer)).reshape(-1, 1, 1, 1), False
    except NoWeightsError:
        pass  # the time of a kernel does not depend on them
    limit = 2 ** (trace.weight_bits - 1) - 1
    rng = np.random.default_rng((SEED, *layer.name.encode()))
    return rng.integers(-limit, limit, layer.weight_shape, endpoint=True) / limit, True


def _time(
    kernel: Kernel, problem: Problem, repeats: int, clock: Callable[[Callable[[], None]], float]
) -> KernelTiming:
    """Check one kernel on one layer, then time it."""
    name = kernel.info.name
    try:
        weights = kernel.weights(problem)
        operands = [kernel.convert(problem, kernel.load(padded)) for padded in problem.maps]
        error = max(
            _error(kernel, problem, weights, operand, number) for number, operand in enumerate(operands)
        )
    except Exception as problem_found:  # whatever the kernel's library raises
        reason = " ".join(str(problem_found).split())[:200] or type(problem_found).__name__
        return KernelTiming(name, not_measured=f"it cannot run this layer here: {reason}")
    if not error <= 1:
        return KernelTiming(name, not_measured=f"its outputs are wrong: {error:.3g} times the error allowed")
    operands = _input_sets(kernel, problem, operands)

    def one_round() -> None:
        for operand in operands:
            kernel.run(weights, operand)

    rounds = _rounds(one_round, repeats, clock)
    loaded = kernel.load(problem.maps[0])
    converting = _rounds(lambda: kernel.convert(problem, loaded), min(repeats, 5), clock)
    lower, median, upper = np.quantile(rounds, [0.25, 0.5, 0.75]) * 1e6 / len(operands)
    return KernelTiming(
        name,
        median_us=float(median),
        lower_us=float(lower),
        upper_us=float(upper),
        convert_us=float(np.median(converting) * 1e6),
        rounds=len(rounds),
        input_sets=len(operands),
        input_bytes=sum(kernel.bytes(operand) for operand in operands),
        error=error,
    )


def _error(kernel: Kernel, problem: Problem, weights: Any, operand: Any, number: int) -> float:
    """Largest error of an output, as a fraction of what is allowed there; infinite if it is no number."""
    outputs = kernel.outputs(problem, kernel.run(weights, operand))
    difference = np.abs(outputs - problem.references[number])
    allowed = kernel.bound(problem, problem.maps[number])
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(difference == 0, 0.0, difference / allowed)
    return float(ratio.max()) if np.isfinite(ratio).all() else float("inf")


def _input_sets(kernel: Kernel, problem: Problem, operands: list[Any]) -> list[Any]:
    """The operands, and copies elsewhere in memory, so that the next one is not what was used just before."""
    size = sum(kernel.bytes(operand) for operand in operands)
    copies = min(-(-SET_BYTES // max(size, 1)), max(1, MAX_SETS // len(operands)))
    more = [
        kernel.convert(problem, kernel.load(padded.copy()))
        for _ in range(copies - 1)
        for padded in problem.maps
    ]
    return [*operands, *more]


def _rounds(
    work: Callable[[], Any], repeats: int, clock: Callable[[Callable[[], Any]], float]
) -> list[float]:
    """Seconds of every round after the warm-up."""
    taken = [clock(work) for _ in range(WARM_UP)]
    affordable = int(SECONDS / max(taken[-1], 1e-9))
    return [clock(work) for _ in range(min(repeats, max(affordable, 3)))]
