"""Networks as geometry: every MAC layer, in order of execution, without weights or values."""

from __future__ import annotations

from collections.abc import Callable

from hwsim.errors import NetworkError
from hwsim.networks.inception import inception_v3
from hwsim.networks.lenet import lenet5
from hwsim.networks.mobilenet import mobilenet_v1
from hwsim.networks.network import Network
from hwsim.networks.resnet import resnet18, resnet34

__all__ = ["Network", "get", "names"]

_NETWORKS: dict[str, Callable[[], Network]] = {
    "lenet5": lenet5,
    "mobilenet_v1": mobilenet_v1,
    "resnet18": resnet18,
    "resnet34": resnet34,
    "inception_v3": inception_v3,
}


def names() -> tuple[str, ...]:
    """Of the networks that :func:`get` knows."""
    return tuple(_NETWORKS)


def get(name: str) -> Network:
    """A network by name; case, ``-`` and ``_`` make no difference (``ResNet-18`` is ``resnet18``).

    Raises:
        NetworkError: no network of that name.
    """
    for known, make in _NETWORKS.items():
        if _plain(name) == _plain(known):
            return make()
    raise NetworkError(f"no network named {name!r}: give one of {', '.join(_NETWORKS)}, or a topology (.csv)")


def _plain(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")
