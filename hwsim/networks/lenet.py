"""LeNet-5."""

from __future__ import annotations

from hwsim.networks.network import Builder, Network, pooled


def lenet5() -> Network:
    """LeNet-5 at 32x32, with ReLU and all connections of C3: 416 520 multiply-adds, 61 706 parameters.

    LeCun, Bottou, Bengio, Haffner, *Gradient-based learning applied to document recognition*, Proc. IEEE
    1998, figure 2. C5 is a convolution there, whose 5x5 kernels cover the whole map.
    """
    net = Builder((1, 32, 32))
    x = pooled(net.conv("c1", net.image, 6, 5), 2, 2)
    x = pooled(net.conv("c3", x, 16, 5), 2, 2)
    x = net.conv("c5", x, 120, 5)
    x = net.linear("f6", x, 84, relu=True)
    net.linear("output", x, 10)
    return net.network("lenet5", "LeCun et al., Proc. IEEE 1998, figure 2")
