"""MobileNet-V1."""

from __future__ import annotations

from hwsim.networks.network import Builder, Network, averaged

# Table 1 of the paper: output channels and stride of the 13 depthwise separable blocks.
BLOCKS = (
    (64, 1),
    (128, 2),
    (128, 1),
    (256, 2),
    (256, 1),
    (512, 2),
    *[(512, 1)] * 5,
    (1024, 2),
    (1024, 1),
)


def mobilenet_v1() -> Network:
    """MobileNet-V1 1.0 at 224x224 with TensorFlow's SAME padding: 568.7 M multiply-adds, 4.2 M parameters.

    Howard et al., *MobileNets*, arXiv 1704.04861, table 1. The last depthwise layer has stride 1, as in the
    released models (the table says 2, but its sizes do not). Padding as in TensorFlow's released models: the
    odd row and column are at the bottom and on the right.
    """
    net = Builder((3, 224, 224))
    x = net.conv("conv0", net.image, 32, 3, 2, "same")
    for number, (filters, stride) in enumerate(BLOCKS, 1):
        x = net.conv(f"conv{number}.dw", x, x.shape[0], 3, stride, "same", depthwise=True)
        x = net.conv(f"conv{number}.pw", x, filters, 1)
    net.linear("fc", averaged(x), 1000)
    return net.network("mobilenet_v1", "Howard et al., arXiv 1704.04861, table 1; padding of TensorFlow")
