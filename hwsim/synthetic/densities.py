"""Density of every map of a network: one number, or one for each layer, from a file too."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hwsim.errors import NetworkError
from hwsim.files import read_text, read_toml
from hwsim.networks import Network
from hwsim.networks.network import some

DEFAULT = "default"
_DENSITY = 0.5

Densities = float | Mapping[str, float]


def map_densities(network: Network, density: Densities) -> dict[str, float]:
    """Density of every map of a network.

    Args:
        network: whose layers are meant.
        density: of all maps but the first layer's, the image, which is dense. Or a mapping from the name of a
            layer to the density of the map that it reads; ``"default"`` is for the layers that are not named
            (0.5 if not given), again without the image.

    Raises:
        NetworkError: a density that is no number within 0 .. 1, an unknown layer, or two for one map.
    """
    chosen = dict(density) if isinstance(density, Mapping) else {DEFAULT: density}
    for layer, value in chosen.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
            whose = "" if layer == DEFAULT else f" of {layer}"
            raise NetworkError(f"density{whose} must be a number within 0 .. 1, not {value!r}")
    default = float(chosen.pop(DEFAULT, _DENSITY))
    inputs = {layer.name: layer.input for layer in network.layers}
    named: dict[str, str] = {}  # map -> layer that set its density
    for layer, value in chosen.items():
        if layer not in inputs:
            raise NetworkError(
                f"network {network.name} has no layer {layer!r}: its layers are {some(list(inputs))}"
            )
        other = named.setdefault(inputs[layer], layer)
        if chosen[other] != value:
            raise NetworkError(
                f"layers {other} and {layer} read one map: give them one density, "
                f"not {chosen[other]} and {value}"
            )
    first, *others = network.maps
    densities = {first: 1.0} | dict.fromkeys(others, default)
    return densities | {map_: float(chosen[layer]) for map_, layer in named.items()}


def read_densities(path: str | os.PathLike[str]) -> dict[str, float]:
    """Densities by layer from a file, for :func:`map_densities`.

    CSV has lines ``layer,density``; TOML and JSON have pairs ``layer = density`` (the dots in a layer's name
    may also stand for tables).

    Raises:
        NetworkError: no such file, another kind of file, or a line that is no such pair.
    """
    kind = Path(path).suffix.lower()
    if kind not in (".csv", ".toml", ".json"):
        raise NetworkError(f"{path}: densities come from a .csv, .toml or .json file")
    try:
        if kind == ".csv":
            return _from_csv(path, read_text(path))
        tree = read_toml(path) if kind == ".toml" else json.loads(read_text(path))
        if not isinstance(tree, dict):
            raise ValueError("expected pairs of layer and density")
        return dict(_flat(tree))
    except OSError as error:
        raise NetworkError(f"{path}: {error.strerror}; give a file with lines 'layer,density'") from None
    except RecursionError:
        raise NetworkError(f"{path}: brackets within brackets, too deep") from None
    except (ValueError, csv.Error) as error:
        raise NetworkError(f"{path}: {error}") from None


def _from_csv(path: str | os.PathLike[str], text: str) -> dict[str, float]:
    densities: dict[str, float] = {}
    for number, row in enumerate(csv.reader(text.splitlines()), 1):
        cells = [cell.strip() for cell in row]
        if not any(cells) or cells[0].startswith("#") or (not densities and cells == ["layer", "density"]):
            continue
        try:
            layer, density = cells
            value = float(density)
        except ValueError:
            raise NetworkError(
                f"{path}, line {number}: expected 'layer,density', not {','.join(row)!r}"
            ) from None
        if layer in densities:
            raise NetworkError(f"{path}, line {number}: a second density for layer {layer}")
        densities[layer] = value
    return densities


def _flat(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
