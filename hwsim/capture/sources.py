"""What ``SOURCE`` means: an ONNX file, a torchvision name, ``package.module:factory``, one of ours."""

from __future__ import annotations

import os
import pickle
import sys
import warnings
from collections.abc import Mapping
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from hwsim.capture.graph import RunningNetwork
from hwsim.capture.preprocessing import Preprocessing
from hwsim.errors import CaptureError, HwsimError, one_line

if TYPE_CHECKING:
    import torch

TORCHVISION = "torchvision:"
CHECKPOINTS = (".pth", ".pt", ".ckpt", ".tar", ".safetensors", ".npz")
_KEPT: list[Any] = []
FORMS = "model.onnx, torchvision:NAME, package.module:factory or mobilenet_v1"


def open_network(
    source: str, weights: str | os.PathLike[str] | None = None, layout: str | None = None
) -> tuple[RunningNetwork, Preprocessing | None]:
    """A network that runs, and the preprocessing that is known to go with it.

    Args:
        source: a path that ends in ``.onnx``; ``torchvision:NAME``; ``package.module:factory``, which is
            imported and called without arguments; or a network of :mod:`hwsim.capture.modules`. A module may
            have an attribute ``preprocessing``, a mapping of arguments of :class:`Preprocessing`.
        weights: a checkpoint: ``.safetensors``, ``.pth`` or ``.pt`` (tensors only, no code is run), ``.npz``.
            Without one, torchvision fetches its own default weights, and a factory's module stays as it is.
        layout: of an ONNX model's input, ``nchw`` or ``nhwc``; found out if it is not given.

    Raises:
        CaptureError: the source is none of these, or cannot be loaded.
        HwsimError: an extra is not installed.
    """
    if source.lower().endswith(".onnx"):
        try:
            from hwsim.capture.onnx_network import OnnxNetwork
        except ModuleNotFoundError as missing:
            raise HwsimError(
                f"capture from ONNX needs {missing.name}, which is not installed: pip install 'hwsim[onnx]'"
            ) from missing
        if weights is not None:
            raise CaptureError("an ONNX model has its weights with it: leave --weights out")
        if layout not in (None, "nchw", "nhwc"):
            raise CaptureError(f"--layout {layout}: give nchw or nhwc")
        network = OnnxNetwork(source, layout=layout)  # type: ignore[arg-type]
        return network, network.preprocessing
    if layout is not None:
        raise CaptureError("--layout is for ONNX models: PyTorch's networks take channels first")
    from hwsim.capture.torch_network import TorchNetwork

    if source.startswith(TORCHVISION):
        name = source.removeprefix(TORCHVISION)
        module, preprocessing = _torchvision(name, weights is None)
        origin = {"weights": "torchvision's default"}
    else:
        module, name = _made(source)
        preprocessing, origin = _own_preprocessing(module), {"weights": "as the source makes them"}
    if weights is not None:
        load_weights(module, Path(weights))
        digest = sha256(Path(weights).read_bytes()).hexdigest()
        origin = {"weights": Path(weights).name, "weights_sha256": digest}
    return TorchNetwork(module, name, {"source": source, **origin}), preprocessing


def load_weights(module: torch.nn.Module, path: Path) -> None:
    """Fill a module from a checkpoint; what the checkpoint has besides is left alone.

    Raises:
        CaptureError: the file is missing, damaged or of another network.
        HwsimError: safetensors is not installed.
    """
    import torch

    if not isinstance(module, torch.nn.Module):
        raise CaptureError(
            f"the source makes a {type(module).__name__}, not a torch.nn.Module: give no --weights"
        )
    if not path.is_file():
        raise CaptureError(f"there is no file {path}: check the path of --weights")
    stored = _read_checkpoint(path)
    wanted = module.state_dict()
    missing = [name for name in wanted if name not in stored and not name.endswith("num_batches_tracked")]
    if missing:
        raise CaptureError(
            f"{path} lacks {len(missing)} of {len(wanted)} tensors, {missing[0]} first: "
            "give the checkpoint of this very network"
        )
    fitting = {}
    for name in wanted.keys() & stored.keys():
        tensor, shape = stored[name], wanted[name].shape
        if tensor.shape != shape and tuple(tensor.shape) != (
            *shape,
            1,
            1,
        ):  # a linear layer as a 1x1 convolution
            raise CaptureError(
                f"{path}: {name} is {tuple(tensor.shape)}, the network's {tuple(shape)}: "
                "give the checkpoint of this very network"
            )
        fitting[name] = tensor.reshape(shape)
    module.load_state_dict(fitting, strict=False)


def _read_checkpoint(path: Path) -> dict[str, torch.Tensor]:
    import torch

    suffix = path.suffix.lower()
    try:
        if suffix == ".safetensors":
            stored = _safetensors()(path)
        elif suffix in (".pth", ".pt", ".ckpt", ".tar"):
            with warnings.catch_warnings(action="ignore"):
                stored = torch.load(path, map_location="cpu", weights_only=True)
        elif suffix == ".npz":
            with np.load(path, allow_pickle=False) as arrays:
                stored = {name: torch.from_numpy(arrays[name]) for name in arrays}
        else:
            raise CaptureError(f"{path} is no .safetensors, .pth, .pt or .npz: give a checkpoint of these")
    except HwsimError:
        raise
    except pickle.UnpicklingError as error:
        raise CaptureError(
            f"{path} holds more than tensors, perhaps a whole model: to load it would run its code; "
            "save model.state_dict() and give that"
        ) from error
    except Exception as error:  # each format raises its own for damaged data
        reason = one_line(error)
        raise CaptureError(f"{path} cannot be read as a checkpoint ({reason}): check the file") from error
    for wrapper in ("state_dict", "model"):
        if isinstance(stored, dict) and isinstance(stored.get(wrapper), dict):
            stored = stored[wrapper]
    if not isinstance(stored, dict):
        raise CaptureError(f"{path} holds a {type(stored).__name__}, not tensors by name: save a state_dict")
    return {
        str(name).removeprefix("module."): tensor
        for name, tensor in stored.items()
        if isinstance(tensor, torch.Tensor)
    }


def _safetensors() -> Any:
    try:
        from safetensors.torch import load_file
    except ModuleNotFoundError as missing:
        raise HwsimError(
            ".safetensors needs safetensors, which is not installed: pip install 'hwsim[train]'"
        ) from missing
    return load_file


def torchvision_models() -> ModuleType:
    """Its module ``models``, beside a torch without its compiled operators as well.

    Those are of detection, which no capture calls; torchvision's import only looks for their names.

    Raises:
        HwsimError: it is not installed, or does not load.
    """
    import torch

    try:
        return import_module("torchvision.models")
    except ModuleNotFoundError as missing:
        raise HwsimError(
            "torchvision's networks need torchvision, which is not installed: pip install 'hwsim[train]'"
        ) from missing
    except (RuntimeError, ImportError):
        for loaded in [module for module in sys.modules if module.partition(".")[0] == "torchvision"]:
            del sys.modules[loaded]
    try:
        library = torch.library.Library("torchvision", "DEF")
        _KEPT.append(library)  # what it declares is there as long as it is
        library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        return import_module("torchvision.models")
    except (RuntimeError, ImportError) as error:
        raise HwsimError(
            f"torchvision does not load beside this torch ({one_line(error)}): install its match"
        ) from error


def _torchvision(name: str, fetch: bool) -> tuple[torch.nn.Module, Preprocessing | None]:
    models = torchvision_models()
    if name not in _torchvision_names(models):
        raise CaptureError(
            f"torchvision has no network of pictures {one_line(name, 40)!r}: see its list_models()"
        )
    transforms = models.get_model_weights(name).DEFAULT.transforms()
    crop = getattr(transforms, "crop_size", [None])[0]  # networks of segmentation take any size
    preprocessing = Preprocessing(
        tuple(transforms.mean), tuple(transforms.std), transforms.resize_size[0], crop
    )
    options: dict[str, Any] = {"weights": "DEFAULT" if fetch else None}
    if not fetch and name in models.list_models(module=models.segmentation):
        options |= {"weights_backbone": None}  # the checkpoint has these too
    if name in ("inception_v3", "googlenet") and not fetch:
        options |= {"init_weights": False, "transform_input": True}  # as their released weights ask for
    try:
        return models.get_model(name, **options), preprocessing
    except Exception as error:  # of the network connection, mostly
        raise CaptureError(
            f"torchvision's weights of {name} cannot be fetched ({type(error).__name__}): give --weights FILE"
        ) from error


def _torchvision_names(models: ModuleType) -> set[str]:
    """Its networks of one picture: of classification and segmentation."""
    return {name for module in (models, models.segmentation) for name in models.list_models(module=module)}


def _made(source: str) -> tuple[torch.nn.Module, str]:
    """The module that a factory makes, and its name."""
    place, _, factory = source.partition(":")
    if not factory:
        from hwsim.capture.modules import MODULES

        if source.lower().endswith(CHECKPOINTS):
            raise CaptureError(
                f"{source} has weights, not a network: give package.module:factory with --weights {source}"
            )
        if source not in MODULES:
            raise CaptureError(f"{source!r} is no network: give {FORMS}")
        return MODULES[source](), source
    if "" not in sys.path and os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        make = getattr(import_module(place), factory)
    except (ImportError, AttributeError, ValueError) as error:
        raise CaptureError(f"{source} cannot be imported ({error}): give package.module:factory") from error
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"torch\b")  # torch about torch: no news of this capture
            return make(), factory
    except HwsimError:
        raise
    except Exception as error:  # whatever the user's code raises
        raise CaptureError(f"{source}() failed ({type(error).__name__}: {error})") from error


def _own_preprocessing(module: object) -> Preprocessing | None:
    """What a module's attribute ``preprocessing`` says, if it has one."""
    known = getattr(module, "preprocessing", None)
    if not isinstance(known, Mapping):
        return None
    options: dict[str, Any] = {
        str(name): tuple(value) if isinstance(value, list) else value for name, value in known.items()
    }
    try:
        return Preprocessing(**options)
    except TypeError as error:
        raise CaptureError(f"the module's preprocessing {dict(known)} makes no sense ({error})") from None
