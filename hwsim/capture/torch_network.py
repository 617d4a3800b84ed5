"""A PyTorch network that runs picture by picture, seen operator by operator. Needs the ``train`` extra.

A dispatch mode sees each ATen operator with its real tensors, whatever Python code called it: modules,
functions, operations in place. Tensors are told apart by identity; hooks on modules lend layers their names.
"""

from __future__ import annotations

import re
import sys
import warnings
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from hwsim.capture.graph import Graph, Operator
from hwsim.capture.order import in_order
from hwsim.errors import CaptureError, HwsimError, one_line

try:
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode
except ModuleNotFoundError as missing:
    raise HwsimError(
        "capture from PyTorch needs torch, which is not installed: pip install 'hwsim[train]'"
    ) from missing

from hwsim.capture.aten import Call, Seen, describe, taken_apart, tensors_of
from hwsim.capture.aten_meanings import meaning_of

FAILURES = (
    RuntimeError,
    TypeError,
    ValueError,
    IndexError,
    AttributeError,
    AssertionError,
)


@dataclass(frozen=True)
class OperatorCall:
    """A call of an operator: its name, and the names of the values that it makes, those of the graph."""

    name: str
    made: tuple[str, ...]


class TorchNetwork:
    """A module, in evaluation mode, run on the CPU in float32.

    Attributes:
        name: of the network, for the trace.
        provenance: what ran, and where its weights are from.

    Raises:
        CaptureError: it is no module.
    """

    def __init__(
        self, module: torch.nn.Module, name: str, provenance: Mapping[str, Any] | None = None
    ) -> None:
        if not isinstance(module, torch.nn.Module):
            raise CaptureError(f"{name} makes a {type(module).__name__}, not a torch.nn.Module")
        self.module = module.eval().to("cpu", torch.float32)
        self.name = name
        self.provenance = {"torch": torch.__version__, **(provenance or {})}
        self._operators: list[str] = []
        self._layers = {
            tensor.data_ptr(): re.sub(r"(^|[._])weight$", "", path)
            for path, tensor in self.module.named_parameters()
        }

    def graph(self, image: np.ndarray) -> Graph:
        """The operators of a run on a picture, float32 (C, H, W).

        Raises:
            CaptureError: the network does not run on such a picture.
        """
        recorder = self._record(image, (), describe=True)
        self._operators = recorder.names
        return Graph(recorder.image, in_order(recorder.operators, recorder.outputs), recorder.shapes)

    def run(self, image: np.ndarray, wanted: Collection[str]) -> dict[str, np.ndarray]:
        """Values of the graph, float32 with the batch of 1 first, as they were when they were made.

        Raises:
            CaptureError: the network does not run on the picture, or runs other operators than in its graph.
        """
        recorder = self._record(image, wanted)
        if self._operators != recorder.names:
            raise CaptureError(
                f"{self.name} runs other operators for this picture than for the first one: "
                "a network whose layers depend on the picture cannot be captured"
            )
        return recorder.kept

    def steps(self, image: np.ndarray) -> tuple[str, tuple[OperatorCall, ...]]:
        """The name of the picture's value, and every call of a run on it, those on constants too.

        Raises:
            CaptureError: the network does not run on such a picture.
        """
        recorder = self._record(image, ())
        return recorder.image, tuple(recorder.steps)

    def _record(self, image: np.ndarray, wanted: Collection[str], describe: bool = False) -> _Recorder:
        tensor = torch.from_numpy(np.array(image, np.float32))[None]
        with torch.no_grad(), plainly(), _layer_names(self.module) as path:
            recorder = _Recorder(tensor, wanted, path, self._layers if describe else None)
            try:
                with recorder:
                    given = self.module(tensor)
                recorder.outputs = recorder.names_of(given)
            except FAILURES as error:
                raise CaptureError(
                    f"{self.name} does not run on a picture of shape {image.shape} ({one_line(error)})"
                ) from error
        return recorder


class _Recorder(TorchDispatchMode):
    """Follows what depends on the picture through a run, and keeps the values that are wanted.

    Args:
        image: the picture.
        wanted: names of values to keep.
        path: whose last entry names what runs.
        layers: names of layers by the memory of their weights; None if operators need not be described.
    """

    def __init__(
        self,
        image: torch.Tensor,
        wanted: Collection[str],
        path: list[str],
        layers: Mapping[int, str] | None,
    ) -> None:
        super().__init__()
        self.operators: list[Operator] = []
        self.outputs: list[str] = []
        self.names: list[str] = []
        self.steps: list[OperatorCall] = []
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.kept: dict[str, np.ndarray] = {}
        self._wanted, self._path, self._layers = wanted, path, layers
        self._values: dict[int, tuple[torch.Tensor, str]] = {}  # by identity; they live as long as this
        self._written: dict[int, tuple[str, ...]] = {}  # memory changed in place, by address: by which values
        self.image = self._new_value(image)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = taken_apart(self, func, args, kwargs or {})
        if result is not NotImplemented:
            return result
        call = Call.of(func, args, kwargs or {})
        read = tuple(dict.fromkeys(value for tensor in call.tensors if (value := self._value(tensor))))
        result = func(*args, **(kwargs or {}))
        self.steps.append(OperatorCall(call.name, self._note(call, result, read) if read else ()))
        return result

    def names_of(self, values: Any) -> list[str]:
        """The names of values that depend on the picture, from dictionaries too."""
        tensors = tensors_of(list(values.values()) if isinstance(values, Mapping) else values)
        return [name for tensor in tensors if (name := self._value(tensor))]

    def _value(self, tensor: torch.Tensor) -> str | None:
        """The name of what depends on the picture; None for weights and other constants."""
        if id(tensor) not in self._values and _address(tensor) in self._written:
            written = self._written[_address(tensor)]
            self.operators.append(Operator("other", written, self._new_value(tensor)))
        return self._values[id(tensor)][1] if id(tensor) in self._values else None

    def _note(self, call: Call, result: Any, read: tuple[str, ...]) -> tuple[str, ...]:
        """The names of what a call makes."""
        made, outputs = tensors_of(result), []
        varying = frozenset(id(tensor) for tensor in call.tensors if self._value(tensor))
        self.names.append(call.name)
        if call.in_place:
            self._forget_views(made, read)
        for number, tensor in enumerate(made):
            output = self._new_value(tensor)
            outputs.append(output)
            if self._layers is not None:
                seen = Seen(call, varying, tensor, number, self._path[-1], self._layers)
                details = {**describe(seen), "what": call.name, "meaning": meaning_of(seen)}
                if number == 0 or details["kind"] in ("view", "concat"):  # the places of maxima are no map
                    self.operators.append(Operator(inputs=read, output=output, **details))
        return tuple(outputs)

    def _new_value(self, tensor: torch.Tensor) -> str:
        value = f"v{len(self.shapes)}"
        self.shapes[value] = tuple(tensor.shape)
        self._values[id(tensor)] = (tensor, value)
        if value in self._wanted:
            self.kept[value] = tensor.detach().to(torch.float32).contiguous().numpy().copy()
        return value

    def _forget_views(self, changed: list[torch.Tensor], read: tuple[str, ...]) -> None:
        """What shares memory with a tensor that changes in place changes too; how, is not followed."""
        addresses = {_address(tensor) for tensor in changed}
        for address in addresses:
            self._written[address] = tuple(dict.fromkeys((*self._written.get(address, ()), *read)))
        own = {id(tensor) for tensor in changed}
        for tensor, _ in list(self._values.values()):
            if id(tensor) not in own and _address(tensor) in addresses:
                self.operators.append(Operator("other", read, self._new_value(tensor)))


def _address(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage().data_ptr() or -id(tensor)  # empty tensors share no memory


@contextmanager
def plainly() -> Iterator[None]:
    """Torch runs as it is written: nothing is compiled, scripted code not optimized, attention not fused."""
    with ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings(action="ignore"))
        if "torch._dynamo" in sys.modules:  # else nothing can be compiled, and loading it takes long
            stack.enter_context(torch.compiler.set_stance("force_eager"))
        stack.enter_context(torch.jit.optimized_execution(False))
        stack.enter_context(torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH))
        fast = torch.backends.mha.get_fastpath_enabled()
        torch.backends.mha.set_fastpath_enabled(False)
        stack.callback(torch.backends.mha.set_fastpath_enabled, fast)
        yield


@contextmanager
def _layer_names(module: torch.nn.Module) -> Iterator[list[str]]:
    """A list whose last entry names what runs: a layer's path, or a module's path with a dot behind."""
    path, hooks = [""], []

    def enter(name: str) -> Any:
        return lambda *_: path.append(name)

    def leave(*_: Any) -> None:
        path.pop()

    for name, part in module.named_modules():
        if name and not isinstance(part, torch.jit.ScriptModule):  # those take no hooks
            leaf = isinstance(part, torch.nn.modules.conv._ConvNd | torch.nn.Linear)
            hooks.append(part.register_forward_pre_hook(enter(name if leaf else f"{name}.")))
            hooks.append(part.register_forward_hook(leave))
    try:
        yield path
    finally:
        for hook in hooks:
            hook.remove()
