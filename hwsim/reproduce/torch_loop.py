"""A PyTorch network run in batches, its values rounded as they are made. Needs the ``train`` extra."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from hwsim.capture.aten import Call, taken_apart, tensors_of
from hwsim.capture.map_code import MapCode
from hwsim.capture.torch_network import FAILURES, OperatorCall, TorchNetwork, plainly
from hwsim.errors import CaptureError
from hwsim.quantize import code_limit
from hwsim.reproduce.rounding import Rounding


class TorchLoop:
    """A network, ready to be run in batches.

    Args:
        network: what runs; its graph must be taken on pictures of the same shape.
        picture: one of them, float32 (C, H, W).

    Raises:
        CaptureError: the network does not run on the picture.
    """

    def __init__(self, network: TorchNetwork, picture: np.ndarray) -> None:
        self._module, self._name = network.module, network.name
        self._image, self._steps = network.steps(picture)

    def logits(self, pictures: np.ndarray, rounding: Rounding | None = None) -> np.ndarray:
        """The network's answers, float32 (N, classes), in floats or rounded.

        Args:
            pictures: float32 (N, C, H, W).
            rounding: of the graph of this network.

        Raises:
            CaptureError: the network does not run on a batch as it does on one picture.
        """
        batch = torch.from_numpy(np.ascontiguousarray(pictures, np.float32))
        try:
            with torch.no_grad(), plainly():
                if rounding is None:
                    return _answers(self._module(batch))
                if self._image in rounding.codes:
                    batch = batch.clone()
                    round_to(batch, rounding.codes[self._image])
                with _Rounded(self._steps, rounding):
                    output = self._module(batch)
                return _answers(output)
        except FAILURES as error:
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
            raise CaptureError(
                f"{self._name} does not run on a batch of shape {pictures.shape} ({reason}): give --batch 1"
            ) from error


class _Rounded(TorchDispatchMode):
    """Follows a recorded run step by step, and replaces what the rounding says."""

    def __init__(self, steps: tuple[OperatorCall, ...], rounding: Rounding) -> None:
        super().__init__()
        self._steps, self._rounding = iter(steps), rounding
        self._folded: dict[str, torch.Tensor] = {}  # results whose normalization is in the weights

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        apart = taken_apart(self, func, args, kwargs or {})
        if apart is not NotImplemented:
            return apart
        call = Call.of(func, args, kwargs or {})
        step = next(self._steps, None)
        if step is None or step.name != call.name:
            raise RuntimeError("a batch takes other operators than one picture")
        mac = self._rounding.macs.get(step.made[0]) if step.made else None
        if mac is None:
            result = func(*args, **(kwargs or {}))
        else:
            result = _mac(call, torch.from_numpy(mac.weights), torch.from_numpy(mac.bias))
            if mac.result != step.made[0]:
                self._folded[mac.result] = result.clone()
        for tensor, value in zip(tensors_of(result), step.made, strict=False):
            if value in self._folded:
                tensor.copy_(self._folded.pop(value))
            if value in self._rounding.codes:
                round_to(tensor, self._rounding.codes[value])
        return result


def round_to(values: torch.Tensor, code: MapCode) -> None:
    """Round real values, in place, to those that codes stand for: nearest, half to even, clamped."""
    limit = code_limit(code.bits, code.signed)
    values.div_(code.scale).round_().clamp_(-limit if code.signed else 0, limit).mul_(code.scale)


def _mac(call: Call, weights: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    given: Mapping[str, Any] = call.given
    if "transposed" in given:
        return torch.conv2d(
            *(given["input"], weights, bias, given["stride"], given["padding"], given["dilation"]),
            groups=given["groups"],
        )
    vectors = given["mat1"] if "mat1" in given else given["self"]
    return torch.addmm(bias, vectors, weights.flatten(1).T)


def _answers(output: Any) -> np.ndarray:
    if not isinstance(output, torch.Tensor) or output.ndim < 2:
        raise ValueError(f"the network gives {type(output).__name__}, not one tensor of logits")
    return output.flatten(1).to(torch.float32).numpy().copy()
