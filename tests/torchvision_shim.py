"""torchvision beside a torch without its compiled operators: they are declared, never called."""

import torch


def declare_operators() -> torch.library.Library:
    """Declare what torchvision's import looks for; the library lives as long as it is held."""
    library = torch.library.Library("torchvision", "DEF")
    library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    return library
