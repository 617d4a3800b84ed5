"""What a sparser network is to save: multiplications and memory in one number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hwsim.sparsify.maps import PICTURE, Map
from hwsim.sparsify.training import Score


def shares(maps: Sequence[Map]) -> dict[str, float]:
    """What every map counts for: the mean of its share of the MACs and of its share of the elements."""
    macs, elements = sum(one.macs for one in maps), sum(one.elements for one in maps)
    return {one.name: (one.macs / macs + one.elements / elements) / 2 for one in maps}


def cost(density: Mapping[str, float], maps: Sequence[Map]) -> float:
    """The mean of the two :func:`densities`: density weighted by the :func:`shares`, 1 if all are full."""
    return sum(share * density[name] for name, share in shares(maps).items())


def densities(density: Mapping[str, float], maps: Sequence[Map]) -> dict[str, float]:
    """Mean density by elements and by MACs, of all maps, the picture among them.

    ``mac_density`` takes all elements of a map to have as many MACs: borders are not told apart.
    """
    elements = sum(one.elements * density[one.name] for one in maps)
    macs = sum(one.macs * density[one.name] for one in maps)
    return {
        "element_density": elements / sum(one.elements for one in maps),
        "mac_density": macs / sum(one.macs for one in maps),
    }


def weights_of(alpha: float, score: Score, maps: Sequence[Map]) -> dict[str, float]:
    """alpha_l of every map, such that the term is alpha times the :func:`cost` for the network of the score.

    A map's L1 norm is divided by what it would be if all its elements had their mean non-zero magnitude.
    """
    elements = {one.name: one.elements for one in maps}
    return {
        name: alpha * share / (elements[name] * score.magnitude[name])
        for name, share in shares(maps).items()
        if name != PICTURE and score.magnitude[name] > 0
    }
