"""The picture that an ONNX model takes: its layout, its type, its batch. Needs the ``onnx`` extra."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import onnx
from onnx import numpy_helper

from hwsim.capture.graph import Lattice
from hwsim.errors import CaptureError

Layout = Literal["nchw", "nhwc"]
CHANNELS = (1, 3, 4)  # of pictures
FAR = 1e-3  # of the largest output, how far those of one picture may lie from those of a batch


@dataclass(frozen=True)
class Input:
    """The input of a model.

    Attributes:
        name: of the value.
        sizes: of each axis, None where any will do.
        dtype: of its numbers.
        layout: which axis has the channels; None if that is not known yet.
    """

    name: str
    sizes: tuple[int | None, ...]
    dtype: np.dtype
    layout: Layout | None

    @staticmethod
    def of(model: onnx.ModelProto, title: str, layout: Layout | None = None) -> Input:
        """The one input that is no constant.

        Raises:
            CaptureError: there is none, or more, or it is no picture.
        """
        constants = {tensor.name for tensor in model.graph.initializer}
        inputs = [value for value in model.graph.input if value.name not in constants]
        if len(inputs) != 1:
            names = ", ".join(value.name for value in inputs)
            raise CaptureError(
                f"{title} has {len(inputs)} inputs ({names}); a network with one, the picture, is captured"
            )
        tensor = inputs[0].type.tensor_type
        sizes = tuple(size.dim_value if size.dim_value > 0 else None for size in tensor.shape.dim)
        dtype = onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type)
        if (tensor.HasField("shape") and len(sizes) not in (3, 4)) or dtype.kind not in "fui":
            shown = "x".join("?" if size is None else str(size) for size in sizes)
            raise CaptureError(
                f"{title} takes {dtype} of shape {shown}, no picture: pictures have 3 or 4 axes"
            )
        sizes = sizes or (None,) * 4
        return Input(inputs[0].name, sizes, dtype, layout or _layout(sizes[-3:]))

    @property
    def batch(self) -> int:
        """Pictures at once; 1 where any number will do."""
        return (self.sizes[0] or 1) if len(self.sizes) == 4 else 1

    @property
    def lattice(self) -> Lattice | None:
        """Of a picture of integers."""
        if self.dtype.kind == "f":
            return None
        limits = np.iinfo(self.dtype)
        return Lattice(1.0, 0, int(limits.min), int(limits.max))

    @property
    def takes_bytes(self) -> bool:
        """Whether the model takes the bytes of a picture, 0 to 255."""
        return self.dtype == np.uint8

    def with_batch(self, pictures: int) -> Input:
        """The same with another number of pictures."""
        return replace(self, sizes=(pictures, *self.sizes[1:]))

    def feed(self, pictures: np.ndarray) -> np.ndarray:
        """What the model is given for pictures, float32 (N, C, H, W); one is repeated to fill a fixed batch.

        Raises:
            CaptureError: the model takes whole numbers, and the pictures have others.
        """
        if self.dtype.kind != "f":
            limits = np.iinfo(self.dtype)
            if not np.array_equal(np.rint(pictures).clip(limits.min, limits.max), pictures):
                advice = "8-bit pictures" if self.takes_bytes else "arrays of such (.npy)"
                raise CaptureError(
                    f"the network takes {self.dtype}, whole numbers from {limits.min} to {limits.max}: "
                    f"give {advice}, without --mean and --std"
                )
        pictures = pictures.transpose(0, 2, 3, 1) if self.layout == "nhwc" else pictures
        pictures = np.ascontiguousarray(pictures, self.dtype)
        if len(self.sizes) == 3:
            return pictures[0]
        return np.repeat(pictures, self.batch, axis=0) if len(pictures) == 1 else pictures

    def settled(self, runs: Callable[[Input], object]) -> Input:
        """The same with the layout in which the model runs; ``runs`` says why it does not.

        Raises:
            CaptureError: it runs in neither, or in both.
        """
        chosen = [replace(self, layout=layout) for layout in ("nchw", "nhwc")]
        found = [runs(choice) for choice in chosen]
        errors = [result for result in found if isinstance(result, CaptureError)]
        if len(errors) == 2:
            raise errors[0]
        if not errors:
            raise CaptureError("the network takes channels first and last: say which with --layout")
        return chosen[0] if isinstance(found[1], CaptureError) else chosen[1]

    def misfit(self, name: str, image: np.ndarray) -> str | None:
        """Why a model cannot take a picture, float32 (C, H, W); None if its sizes fit."""
        channels, height, width = image.shape
        fixed = self.sizes[-3:] if self.layout != "nhwc" else (self.sizes[-1], *self.sizes[-3:-1])
        if fixed[0] not in (None, channels):
            return f"{name} takes pictures of {fixed[0]} channels, these have {channels}: give others"
        if (fixed[1] or height, fixed[2] or width) != (height, width):
            size = f"{fixed[1] or height}x{fixed[2] or width}"
            advice = f"--size {fixed[1]} --crop {fixed[1]}" if fixed[1] == fixed[2] else f"pictures of {size}"
            return f"{name} takes pictures of {size}, these have {height}x{width}: give {advice}"
        return None


def batch_of_one(
    model: onnx.ModelProto,
    given: Input,
    runs: Callable[[onnx.ModelProto, Input, np.ndarray], list[np.ndarray] | CaptureError],
    image: np.ndarray,
) -> onnx.ModelProto:
    """A model made for several pictures, for one; its outputs must be those that it gives each of the
    several.

    Raises:
        CaptureError: it does not run, or it computes something else for one picture.
    """
    several = runs(model, given, image)
    if isinstance(several, CaptureError):
        raise several
    single = given.with_batch(1)
    for rewrite in (_one_picture_in, _one_picture_everywhere):
        made = rewrite(model, given)
        found = runs(made, single, image)
        if not isinstance(found, CaptureError) and all(map(_first_of, found, several)):
            return made
    raise CaptureError(
        f"the network is made for {given.batch} pictures at once, and for one it cannot be changed: "
        "export it with a batch of 1, or with one that is dynamic"
    )


def _first_of(single: np.ndarray, several: np.ndarray) -> bool:
    """Whether outputs for one picture are the first of those for several."""
    if single.ndim != several.ndim or not single.size or several.shape[0] % single.shape[0]:
        return False
    first = several[: single.shape[0]]
    if first.shape != single.shape:
        return False
    return bool(np.abs(first.astype(np.float64) - single).max() <= FAR * max(np.abs(first).max(), 1e-30))


def _one_picture_in(model: onnx.ModelProto, given: Input) -> onnx.ModelProto:
    made = onnx.ModelProto()
    made.CopyFrom(model)
    for value in made.graph.input:
        if value.name == given.name:
            value.type.tensor_type.shape.dim[0].dim_value = 1
    for value in made.graph.output:
        value.type.tensor_type.ClearField("shape")
    del made.graph.value_info[:]
    return made


def _one_picture_everywhere(model: onnx.ModelProto, given: Input) -> onnx.ModelProto:
    """As :func:`_one_picture_in`, and shapes that begin with the batch begin with 1."""
    made = _one_picture_in(model, given)
    shapes = {node.input[1] for node in made.graph.node if node.op_type in ("Reshape", "Expand")}
    tensors = [tensor for tensor in made.graph.initializer if tensor.name in shapes]
    tensors += [
        attribute.t
        for node in made.graph.node
        if node.op_type == "Constant" and node.output[0] in shapes
        for attribute in node.attribute
        if attribute.name == "value"
    ]
    for tensor in tensors:
        sizes = numpy_helper.to_array(tensor).copy()
        if sizes.ndim == 1 and sizes.size and sizes[0] == given.batch:
            sizes[0] = 1
            tensor.CopyFrom(numpy_helper.from_array(sizes, tensor.name))
    return made


def _layout(sizes: tuple[int | None, ...]) -> Layout | None:
    """Of an input of these last three sizes; None if they do not tell."""
    first, last = sizes[0] in CHANNELS, sizes[2] in CHANNELS
    if first == last:
        return None
    return "nchw" if first else "nhwc"
