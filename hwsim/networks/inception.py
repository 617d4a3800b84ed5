"""Inception-V3."""

from __future__ import annotations

from hwsim.networks.network import Builder, Network, Tensor, averaged, joined, pooled


def inception_v3() -> Network:
    """Inception-V3 at 299x299 without the auxiliary head: 5.71 G multiply-adds, 23.83 M parameters.

    Szegedy et al., *Rethinking the Inception architecture for computer vision*, CVPR 2016; geometry, names
    and order of torchvision.models.inception_v3. The branches of a module read one map and make one map.
    """
    net = Builder((3, 299, 299))
    x = net.conv("Conv2d_1a_3x3", net.image, 32, 3, 2)
    x = net.conv("Conv2d_2a_3x3", x, 32, 3)
    x = pooled(net.conv("Conv2d_2b_3x3", x, 64, 3, padding=1), 3, 2)
    x = net.conv("Conv2d_3b_1x1", x, 80, 1)
    x = pooled(net.conv("Conv2d_4a_3x3", x, 192, 3), 3, 2)
    for module, pool_filters in (("Mixed_5b", 32), ("Mixed_5c", 64), ("Mixed_5d", 64)):
        x = _module_a(net, module, x, pool_filters)
    x = _module_b(net, "Mixed_6a", x)
    for module, inner in (("Mixed_6b", 128), ("Mixed_6c", 160), ("Mixed_6d", 160), ("Mixed_6e", 192)):
        x = _module_c(net, module, x, inner)
    x = _module_d(net, "Mixed_7a", x)
    for module in ("Mixed_7b", "Mixed_7c"):
        x = _module_e(net, module, x)
    net.linear("fc", averaged(x), 1000)
    return net.network("inception_v3", "Szegedy et al., CVPR 2016; torchvision.models.inception_v3")


def _pool_branch(net: Builder, name: str, x: Tensor, filters: int) -> Tensor:
    """Average pooling 3x3, then 1x1; the pooled map is one of its own, since layers read ``x`` unpooled."""
    return net.conv(
        f"{name}.branch_pool", pooled(x, 3, 1, 1, name=f"{x.name}.pooled"), filters, 1, output=name
    )


def _module_a(net: Builder, name: str, x: Tensor, pool_filters: int) -> Tensor:
    """35x35: 1x1, 5x5, twice 3x3, pool."""
    one = net.conv(f"{name}.branch1x1", x, 64, 1, output=name)
    five = net.conv(f"{name}.branch5x5_1", x, 48, 1)
    five = net.conv(f"{name}.branch5x5_2", five, 64, 5, padding=2, output=name)
    three = net.conv(f"{name}.branch3x3dbl_1", x, 64, 1)
    three = net.conv(f"{name}.branch3x3dbl_2", three, 96, 3, padding=1)
    three = net.conv(f"{name}.branch3x3dbl_3", three, 96, 3, padding=1, output=name)
    return joined([one, five, three, _pool_branch(net, name, x, pool_filters)])


def _module_b(net: Builder, name: str, x: Tensor) -> Tensor:
    """35x35 to 17x17: 3x3, twice 3x3, maximum pooling."""
    three = net.conv(f"{name}.branch3x3", x, 384, 3, 2, output=name)
    double = net.conv(f"{name}.branch3x3dbl_1", x, 64, 1)
    double = net.conv(f"{name}.branch3x3dbl_2", double, 96, 3, padding=1)
    double = net.conv(f"{name}.branch3x3dbl_3", double, 96, 3, 2, output=name)
    return joined([three, double, pooled(x, 3, 2)])


def _module_c(net: Builder, name: str, x: Tensor, inner: int) -> Tensor:
    """17x17: 1x1, 7x7 as 1x7 and 7x1, that twice, pool."""
    one = net.conv(f"{name}.branch1x1", x, 192, 1, output=name)
    seven = net.conv(f"{name}.branch7x7_1", x, inner, 1)
    seven = _wide(net, f"{name}.branch7x7_2", seven, inner)
    seven = _tall(net, f"{name}.branch7x7_3", seven, 192, name)
    double = net.conv(f"{name}.branch7x7dbl_1", x, inner, 1)
    double = _tall(net, f"{name}.branch7x7dbl_2", double, inner)
    double = _wide(net, f"{name}.branch7x7dbl_3", double, inner)
    double = _tall(net, f"{name}.branch7x7dbl_4", double, inner)
    double = _wide(net, f"{name}.branch7x7dbl_5", double, 192, name)
    return joined([one, seven, double, _pool_branch(net, name, x, 192)])


def _wide(net: Builder, name: str, x: Tensor, filters: int, output: str | None = None) -> Tensor:
    return net.conv(name, x, filters, (1, 7), padding=(0, 3), output=output)


def _tall(net: Builder, name: str, x: Tensor, filters: int, output: str | None = None) -> Tensor:
    return net.conv(name, x, filters, (7, 1), padding=(3, 0), output=output)


def _module_d(net: Builder, name: str, x: Tensor) -> Tensor:
    """17x17 to 8x8: 3x3, 7x7 then 3x3, maximum pooling."""
    three = net.conv(f"{name}.branch3x3_1", x, 192, 1)
    three = net.conv(f"{name}.branch3x3_2", three, 320, 3, 2, output=name)
    seven = net.conv(f"{name}.branch7x7x3_1", x, 192, 1)
    seven = _wide(net, f"{name}.branch7x7x3_2", seven, 192)
    seven = _tall(net, f"{name}.branch7x7x3_3", seven, 192)
    seven = net.conv(f"{name}.branch7x7x3_4", seven, 192, 3, 2, output=name)
    return joined([three, seven, pooled(x, 3, 2)])


def _module_e(net: Builder, name: str, x: Tensor) -> Tensor:
    """8x8: 1x1, 1x3 beside 3x1, 3x3 then 1x3 beside 3x1, pool."""
    parts = [net.conv(f"{name}.branch1x1", x, 320, 1, output=name)]
    three = net.conv(f"{name}.branch3x3_1", x, 384, 1)
    parts += _wide_and_tall(net, f"{name}.branch3x3_2", three, name)
    double = net.conv(f"{name}.branch3x3dbl_1", x, 448, 1)
    double = net.conv(f"{name}.branch3x3dbl_2", double, 384, 3, padding=1)
    parts += _wide_and_tall(net, f"{name}.branch3x3dbl_3", double, name)
    return joined([*parts, _pool_branch(net, name, x, 192)])


def _wide_and_tall(net: Builder, name: str, x: Tensor, output: str) -> list[Tensor]:
    return [
        net.conv(f"{name}a", x, 384, (1, 3), padding=(0, 1), output=output),
        net.conv(f"{name}b", x, 384, (3, 1), padding=(1, 0), output=output),
    ]
