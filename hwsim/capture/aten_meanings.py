"""What ATen operators between maps compute, as far as integers can do it."""

from __future__ import annotations

from math import inf

import numpy as np
import torch

from hwsim.capture.aten import Seen
from hwsim.capture.meanings import (
    Border,
    Bounded,
    How,
    Leaky,
    Meaning,
    Pooling,
    Reduced,
    Resized,
    Summed,
    bordered,
    places_of,
    windows_of,
)

BOUNDED = ("hardtanh", "clamp", "clip", "clamp_min", "clamp_max", "maximum", "minimum")

BORDERS: dict[str, Border] = {"reflection_pad2d": "reflect", "replication_pad2d": "edge"}


def meaning_of(seen: Seen) -> Meaning | None:
    """Of a call; None if it is nothing of the kind."""
    name, given = seen.name, seen.given
    if name in ("max_pool2d", "max_pool2d_with_indices", "avg_pool2d"):
        if set(_pair(given.get("dilation") or 1)) != {1} or given.get("divisor_override") is not None:
            return None
        kernel, (top, left) = _pair(given["kernel_size"]), _pair(given["padding"])
        how: How = "mean" if name == "avg_pool2d" else "max"
        padded = bool(given.get("count_include_pad", True))
        stride = _pair(given["stride"] or given["kernel_size"])
        return Pooling(how, kernel, stride, (top, left, top, left), padded)
    if name.endswith(("adaptive_avg_pool2d", "adaptive_max_pool2d")) and len(seen.shape) == 4:
        return windows_of(
            "mean" if "avg" in name else "max", tuple(seen.source.shape[2:]), tuple(seen.shape[2:])
        )
    if name in ("mean", "amax") and given.get("dim"):
        return Reduced("mean" if name == "mean" else "max", tuple(given["dim"]))
    if name in ("upsample_nearest2d", "_upsample_nearest_exact2d", "upsample_bilinear2d"):
        return _resized(seen)
    if name in BORDERS and len(seen.shape) == 4:
        left, right, top, bottom = given["padding"]
        return bordered(seen.source.shape[2:], ((top, bottom), (left, right)), BORDERS[name])
    if name in ("add", "sub") and not seen.alone:
        alpha = float(given.get("alpha", 1))
        return Summed((1.0, alpha if name == "add" else -alpha))
    if name == "leaky_relu":
        return Leaky(float(given["negative_slope"]))
    if name in ("prelu", "_prelu_kernel") and seen.alone and given["weight"].numel() == 1:
        return Leaky(float(given["weight"]))
    if name in BOUNDED and seen.alone:
        return _bounded(seen)
    return None


def _bounded(seen: Seen) -> Bounded | None:
    """A clamp, or a maximum or minimum with a number; None if a bound is no number for all."""
    name, given = seen.name, seen.given
    low, high = given.get("min", given.get("min_val")), given.get("max", given.get("max_val"))
    if name in ("maximum", "minimum"):
        bound = given["other"] if seen.varies(given["self"]) else given["self"]
        low, high = (bound, None) if name == "maximum" else (None, bound)
    if any(isinstance(bound, torch.Tensor) and bound.numel() != 1 for bound in (low, high)):
        return None
    return Bounded(-inf if low is None else float(low), inf if high is None else float(high))


def _resized(seen: Seen) -> Resized:
    """Upsampling, with PyTorch's places of pixels (aten/src/ATen/native/UpSample.h), in its own floats."""
    given, aligned = seen.given, bool(seen.given.get("align_corners"))
    scales = given.get("scale_factors") or (given.get("scales_h"), given.get("scales_w"))
    places = []
    for size, made, scale in zip(seen.source.shape[2:], seen.shape[2:], scales, strict=True):
        step = np.float32(1 / scale if scale else size / made)
        pixel = np.arange(made, dtype=np.float32)
        if seen.name == "upsample_nearest2d":
            pixel = np.floor(pixel * step)
        elif seen.name == "_upsample_nearest_exact2d":
            pixel = np.floor((pixel + np.float32(0.5)) * step)
        elif aligned:
            pixel = pixel * np.float32((size - 1) / max(made - 1, 1))
        else:
            pixel = (pixel + np.float32(0.5)) * step - np.float32(0.5)
        places.append(places_of(pixel, size))
    return Resized(*places)


def _pair(value: object) -> tuple[int, int]:
    sizes = [value] if isinstance(value, int) else list(value)  # type: ignore[call-overload]
    return (int(sizes[0]), int(sizes[-1]))
