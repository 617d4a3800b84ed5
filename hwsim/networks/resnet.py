"""ResNet-18 and ResNet-34."""

from __future__ import annotations

from hwsim.networks.network import Builder, Network, Tensor, averaged, pooled


def resnet18() -> Network:
    """ResNet-18 at 224x224: 1.814 G multiply-adds, 11.69 M parameters."""
    return _resnet("resnet18", (2, 2, 2, 2))


def resnet34() -> Network:
    """ResNet-34 at 224x224: 3.664 G multiply-adds, 21.80 M parameters."""
    return _resnet("resnet34", (3, 4, 6, 3))


def _resnet(name: str, blocks: tuple[int, int, int, int]) -> Network:
    """He et al., *Deep residual learning for image recognition*, CVPR 2016, table 1; names of torchvision."""
    net = Builder((3, 224, 224))
    x = pooled(net.conv("conv1", net.image, 64, 7, 2, 3), 3, 2, 1)
    for stage, count in enumerate(blocks, 1):
        for number in range(count):
            stride = 2 if stage > 1 and number == 0 else 1
            x = _basic_block(net, f"layer{stage}.{number}", x, 32 << stage, stride)
    net.linear("fc", averaged(x), 1000)
    return net.network(name, "He et al., CVPR 2016, table 1; torchvision.models.resnet")


def _basic_block(net: Builder, name: str, x: Tensor, filters: int, stride: int) -> Tensor:
    """Two 3x3 convolutions and a shortcut from the same map.

    The shortcut's convolution goes first, so that the sum is complete when ``conv2`` drains: it makes the
    map of the block. No MAC layer reads what the shortcut's own convolution makes.
    """
    shortcut = f"{name}.downsample"
    if stride > 1:
        net.conv(shortcut, x, filters, 1, stride, relu=False)
    inner = net.conv(f"{name}.conv1", x, filters, 3, stride, 1)
    return net.conv(
        f"{name}.conv2",
        inner,
        filters,
        3,
        1,
        1,
        relu=False,
        output=name,
        adds=() if stride > 1 else (x,),
        adds_results=(shortcut,) if stride > 1 else (),
    )
