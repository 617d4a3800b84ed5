"""What the paper reports: the figures of its abstract, and no other; none of them was measured here.

G. Georgiadis, "Accelerating Convolutional Neural Networks via Activation Map Compression", CVPR 2019,
pp. 7085-7095, arXiv 1812.04056.
"""

from __future__ import annotations

from dataclasses import dataclass

SOURCE = "Georgiadis, CVPR 2019, arXiv 1812.04056, abstract"


@dataclass(frozen=True)
class PaperRow:
    """A network of the paper.

    Attributes:
        network, data: which.
        acceleration: "by as much as".
        accelerated_accuracy: percentage points of accuracy gained by the sparse network.
        compression: of 16-bit maps, "by as much as"; the abstract names no base, and a density near 0.3 fits
            32-bit floats alone.
        compressed_accuracy: percentage points gained by the sparse network with 16-bit maps.
    """

    network: str
    data: str
    acceleration: float
    accelerated_accuracy: float
    compression: float
    compressed_accuracy: float


ROWS = (
    PaperRow("Inception-V3", "ImageNet", 1.6, 0.38, 6.0, 0.36),
    PaperRow("MobileNet-V1", "CIFAR-10", 1.6, 0.54, 6.0, 0.55),
)
