"""What a trace says about itself: the JSON of its root group, validated, and its checksum.

The root ``zarr.json`` is written last, so its presence is the mark of a complete trace:

    {"zarr_format": 3, "node_type": "group",
     "attributes": {"hwsim": {"schema": 2, "sha256": "...", "trace": {...}}}}

``trace`` is :class:`Header`, and ``sha256`` the digest of its canonical JSON (sorted keys, no spaces, ASCII).
Schema 1 is the same without ``flow``, ``row_counts`` and ``ends``.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from typing import Any

from pydantic import JsonValue, TypeAdapter, ValidationError

from hwsim.between import Flow, Value
from hwsim.errors import TraceError, first_problem, one_line, shown
from hwsim.layer import Layer, check_added

SCHEMA = 2
MAX_VALUES = 1 << 31  # of a map or a weight tensor; more is damage, not a network
MAX_CHECKSUMS = 1 << 18  # one for every map of every image
HEADER_BYTES = 24 << 20
# Of the signs of JSON: a few bytes of a document can be an object of a hundred.
MAX_SIGNS = {b"[": 1 << 15, b"{": 1 << 15, b'"': MAX_CHECKSUMS, b",": 2 * MAX_CHECKSUMS}
MAX_FREE = 4 << 20  # letters of JSON that provenance and metrics have together
MAX_NAME = 1000  # letters
# Fields of a layer that are not written where they say this.
_USUAL = {
    "groups": 1,
    "dilation": (1, 1),
    "transposed": False,
    "also": (),
    "adds": (),
    "adds_results": (),
    "clamped": False,
}


@dataclass(frozen=True)
class MapInfo:
    """One activation map of the network: the tensor that enters a MAC layer.

    Attributes:
        name: unique in its network.
        shape: (C, H, W).
        bits: width of the stored codes, 1 .. 16.
        order: k of SEG, 0 .. 15, chosen on calibration images.
        signed: the codes are two's-complement integers sent through the H.264 mapping.
        scale: real value = integer * scale.

    Raises:
        ValueError: a value is out of range.
    """

    name: str
    shape: tuple[int, int, int]
    bits: int
    order: int
    signed: bool
    scale: float

    def __post_init__(self) -> None:
        _check_text("name of a map", self.name)
        if min(self.shape) < 1 or math.prod(self.shape) > MAX_VALUES:
            raise ValueError(f"map {self.name}: shape {self.shape} is empty or has more than 2^31 values")
        if not 1 + self.signed <= self.bits <= 16 or not 0 <= self.order <= 15:
            raise ValueError(f"map {self.name}: bits must be 1 (signed: 2) .. 16 and order 0 .. 15")
        if not (math.isfinite(self.scale) and self.scale > 0):
            raise ValueError(f"map {self.name}: scale must be finite and above 0, not {self.scale}")

    @property
    def value(self) -> Value:
        """The map as a value of the network in integers."""
        return Value(self.name, self.shape, self.bits, self.signed, self.scale)


@dataclass(frozen=True)
class WeightsInfo:
    """Weights of a layer: real value = integer * scale (one, or one for each output channel)."""

    scale: float | tuple[float, ...]
    crc32: int


@dataclass(frozen=True)
class RequantizeInfo:
    """Scalars of a layer's :class:`hwsim.quantize.Requantize`; the checksum is of bias, then multiplier."""

    shift: int
    relu: bool
    bits: int
    signed: bool
    order: int
    crc32: int
    clamps: tuple[int, int] | None = None


@dataclass(frozen=True)
class RowCountsInfo:
    """Non-zeros of every row of a map: of how many calibration pictures together, and the checksum."""

    pictures: int
    crc32: int


@dataclass(frozen=True)
class Header:
    """All of a trace but its arrays.

    Attributes:
        network, variant: what ran, for example ``lenet5`` and ``sparse``.
        synthetic: the values were generated, not captured.
        provenance: weights' origin, images, code version, seed, ...
        metrics: for example ``accuracy``.
        images: how many.
        weight_bits: width of the weights, 2 .. 16.
        layers: the MAC layers, in order of execution.
        maps: the maps that they read.
        checksums: by map and end, the CRC-32 of the codes of each image (little-endian uint16, C order).
        weights, requantize: by layer; a synthetic trace may have none.
        flow: what makes the maps; None in a trace of schema 1, or a synthetic one.
        row_counts: by map; none in a trace of schema 1.
        ends: values of the flow that the network ends in, and that are stored as maps are.

    Raises:
        ValueError: the parts do not fit each other.
    """

    network: str
    variant: str
    synthetic: bool
    provenance: dict[str, JsonValue]
    metrics: dict[str, JsonValue]
    images: int
    weight_bits: int
    layers: tuple[Layer, ...]
    maps: tuple[MapInfo, ...]
    checksums: dict[str, tuple[int, ...]] = field(default_factory=dict)
    weights: dict[str, WeightsInfo] = field(default_factory=dict)
    requantize: dict[str, RequantizeInfo] = field(default_factory=dict)
    flow: Flow | None = None
    row_counts: dict[str, RowCountsInfo] = field(default_factory=dict)
    ends: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.images < 1:
            raise ValueError(f"a trace has 1 image or more, not {self.images}")
        if self.images * (len(self.maps) + len(self.ends)) > MAX_CHECKSUMS:
            raise ValueError(f"a trace has {MAX_CHECKSUMS} maps of images at most: capture fewer images")
        if not 2 <= self.weight_bits <= 16:
            raise ValueError(f"weight_bits must be 2 .. 16, not {self.weight_bits}")
        if not self.layers:
            raise ValueError("a trace has 1 layer or more")
        shapes = {info.name: info.shape for info in self.maps}
        for what in ("network", "variant"):
            _check_text(what, getattr(self, what))
        _check_names("map", [info.name for info in self.maps])
        _check_names("layer", [layer.name for layer in self.layers])
        for layer in self.layers:
            if layer.input not in shapes:
                raise ValueError(f"layer {layer.name} reads map {layer.input}, which is not among the maps")
            if shapes[layer.input] != layer.in_shape:
                raise ValueError(
                    f"layer {layer.name} reads {layer.in_shape}, "
                    f"its map {layer.input} is {shapes[layer.input]}"
                )
            for made in layer.makes:
                if made not in shapes:
                    raise ValueError(f"layer {layer.name} makes map {made}, which is not among the maps")
            for added in layer.adds:
                if added not in shapes:
                    raise ValueError(f"layer {layer.name} adds map {added}, which is not among the maps")
            if max(math.prod(layer.weight_shape), math.prod(layer.out_shape)) > MAX_VALUES:
                raise ValueError(f"layer {layer.name} has more than 2^31 weights or outputs")
        check_added(self.layers)
        unread = set(shapes) - {layer.input for layer in self.layers}
        if unread:
            raise ValueError(f"no layer reads map {min(unread)}")
        if self.flow is not None:
            self.flow.check(self.layers, [info.value for info in self.maps])
        _check_names("end", self.ends)
        for name in self.ends:
            if self.flow is None or name not in {value.name for value in self.flow.values}:
                raise ValueError(f"the network is said to end in {name}, which is no value between its maps")

    @property
    def ending(self) -> dict[str, Value]:
        """The ends, by name."""
        known = {value.name: value for value in self.flow.values} if self.flow else {}
        return {name: known[name] for name in self.ends}

    @property
    def stored(self) -> dict[str, MapInfo | Value]:
        """What has codes of every image: the maps, then the ends, by name."""
        return {info.name: info for info in self.maps} | self.ending

    def check_sealed(self) -> None:
        """Whether the checksums and the layers' records are those of these maps, images and layers.

        Raises:
            ValueError: they are not.
        """
        names = {layer.name for layer in self.layers}
        if set(self.checksums) != set(self.stored):
            raise ValueError("the checksums are not those of the maps")
        for name, crcs in self.checksums.items():
            if len(crcs) != self.images:
                raise ValueError(f"map {name} has {len(crcs)} checksums for {self.images} images")
        if not (set(self.weights) | set(self.requantize)) <= names:
            raise ValueError("weights or requantize of a layer that is not there")
        for layer in self.layers:
            drain = self.requantize.get(layer.name)
            if drain is not None and (drain.clamps is not None) != layer.clamped:
                raise ValueError(f"layer {layer.name}: whether its drain has clamps is told in two ways")
        if self.row_counts and set(self.row_counts) != {info.name for info in self.maps}:
            raise ValueError("the row counts are not those of the maps")
        if self.flow is not None:
            self._check_results(self.flow)

    def _check_results(self, flow: Flow) -> None:
        """Whether every layer's drain makes integers of the kind that its result has."""
        kinds = {value.name: value for value in (*(info.value for info in self.maps), *flow.values)}
        for layer, name in flow.results.items():
            drain, result = self.requantize.get(layer), kinds[name]
            if drain is None:
                raise ValueError(f"layer {layer} has a result and no requantization")
            if (drain.bits, drain.signed) != (result.bits, result.signed):
                raise ValueError(f"layer {layer} makes other integers than its result {name} has")


def _check_text(what: str, text: str) -> None:
    if not text or len(text) > MAX_NAME or not text.isprintable():
        raise ValueError(f"the {what} must be printable text, {MAX_NAME} letters at most, not {shown(text)}")


def _check_names(what: str, names: Sequence[str]) -> None:
    for name, count in Counter(names).items():
        _check_text(f"name of a {what}", name)
        if count > 1:
            raise ValueError(f"two {what}s are called {name}")


def map_path(position: int, name: str) -> str:
    """Path of a map's array; the number keeps the order, and makes names unique after their cleaning."""
    return f"maps/{_node(position, name)}"


def end_path(position: int, name: str) -> str:
    """Path of the array of what the network ends in."""
    return f"ends/{_node(position, name)}"


def rows_path(position: int, name: str) -> str:
    """Path of the array of a map's row counts."""
    return f"rows/{_node(position, name)}"


def layer_path(position: int, name: str) -> str:
    """Path of a layer's group, which holds ``weights``, ``bias`` and ``multiplier``."""
    return f"layers/{_node(position, name)}"


def _node(position: int, name: str) -> str:
    return f"{position:03d}_{re.sub(r'[^A-Za-z0-9._-]', '_', name)[:60]}"


def dump(header: Header) -> bytes:
    """The root ``zarr.json``.

    Raises:
        ValueError: a value is of the wrong type, or none that JSON has (NaN, infinity, an array).
    """
    try:
        text = _text(header)
    except TypeError as error:
        raise ValueError(f"only plain numbers and text can be stored: {error}") from None
    _check_free(header.provenance, header.metrics)
    _parse(json.loads(text))
    attributes = {"schema": SCHEMA, "sha256": _digest(text), "trace": json.loads(text)}
    root = {"zarr_format": 3, "node_type": "group", "attributes": {"hwsim": attributes}}
    return _check_size(json.dumps(root, indent=1).encode("ascii"))


def digest(header: Header) -> str:
    """SHA-256 of all metadata; since that holds the checksums of all data, of the trace."""
    return _digest(_text(header))


def load(document: bytes, title: str) -> Header:
    """Parse and validate the root ``zarr.json``.

    Raises:
        TraceError: it is foreign, of a newer schema, damaged or inconsistent.
    """
    try:
        root = json.loads(_check_size(document))
    except (ValueError, RecursionError) as error:
        reason = one_line(error) if type(error) is ValueError else "no valid JSON"
        raise TraceError(
            f"{title}: the metadata is damaged ({reason}): copy or capture the trace again"
        ) from None
    attributes = root.get("attributes") if isinstance(root, dict) else None
    ours = attributes.get("hwsim") if isinstance(attributes, dict) else None
    if not isinstance(ours, dict) or not isinstance(ours.get("schema"), int):
        raise TraceError(f"{title} is a Zarr hierarchy but not a trace: give the path of a trace")
    if ours["schema"] > SCHEMA:
        raise TraceError(
            f"{title} has schema {ours['schema']}, this version reads up to {SCHEMA}: upgrade hwsim"
        )
    try:
        trace = ours.get("trace")
        if isinstance(trace, dict):
            _check_free(trace.get("provenance"), trace.get("metrics"))
        if _digest(_canonical(trace)) != ours.get("sha256"):
            raise ValueError("the checksum differs")
        header = _parse(trace)
        header.check_sealed()
    except (ValueError, RecursionError) as error:
        raise TraceError(
            f"{title}: the metadata is damaged ({one_line(error)}): copy or capture the trace again"
        ) from None
    return header


def _check_size(document: bytes) -> bytes:
    """The document, if it makes no more objects than the largest trace.

    Raises:
        ValueError: it does.
    """
    if len(document) > HEADER_BYTES or any(document.count(sign) > most for sign, most in MAX_SIGNS.items()):
        raise ValueError("more layers, names or values than a trace may have")
    return document


def _check_free(provenance: Any, metrics: Any) -> None:
    """Whether what is free of form is no longer than a reader bears to have several times in memory.

    Raises:
        ValueError: it is.
    """
    if len(_canonical([provenance, metrics])) > MAX_FREE:
        raise ValueError(f"provenance and metrics have more than {MAX_FREE >> 20} MB")


def _text(header: Header) -> str:
    """Canonical JSON, without what the trace does not have: so one of schema 1 keeps its digest."""
    document = asdict(header)
    for name in ("flow", "row_counts", "ends"):
        if not getattr(header, name):
            del document[name]
    document["layers"] = [_shortened(layer) for layer in document["layers"]]
    for drain in document["requantize"].values():
        if drain["clamps"] is None:
            del drain["clamps"]
    return _canonical(document)


def _shortened(layer: dict[str, Any]) -> dict[str, Any]:
    """A layer as it is stored: what few layers have is written where it says something.

    So a trace of layers without it is the same, to the byte, as one that was written before there was any.
    """
    kept = dict(layer)
    if kept["stride"][0] == kept["stride"][1]:
        kept["stride"] = kept["stride"][0]
    for name, usual in _USUAL.items():
        if kept[name] == usual or (name == "groups" and kept["kind"] == "depthwise"):
            del kept[name]
    return kept


def _parse(trace: Any) -> Header:
    """A header from its JSON; the inverse of :func:`_text`."""
    if isinstance(trace, dict) and isinstance(trace.get("layers"), list):
        trace = {**trace, "layers": [_whole(layer) for layer in trace["layers"]]}
    try:
        return _adapter().validate_json(json.dumps(trace), strict=True)
    except ValidationError as error:
        raise ValueError(first_problem(error)) from None


def _whole(layer: Any) -> Any:
    """A layer with one stride for both directions as the pair that it stands for."""
    if not isinstance(layer, dict) or not isinstance(layer.get("stride"), int):
        return layer
    return {**layer, "stride": [layer["stride"]] * 2}


@cache
def _adapter() -> TypeAdapter[Header]:
    return TypeAdapter(Header)


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("ascii")).hexdigest()
