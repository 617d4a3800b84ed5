"""A result read back from its document; nothing in it is trusted before it is checked."""

from __future__ import annotations

import json
import os
from collections import Counter
from functools import cache
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from hwsim.errors import ArchError, ResultError, one_line, shown
from hwsim.files import read_text
from hwsim.machine.energy import COMPONENTS, EVENTS
from hwsim.machine.runs import CAUSES, DRAM_KINDS, MODES, LayerRun

if TYPE_CHECKING:
    from hwsim.machine.result import Result

ADVICE = "give a report.json that 'hwsim run --out' wrote"
MOST_BYTES = 1 << 28  # a run of a layer on an image takes 2 kB
_PARTS = {"causes": CAUSES, "dram": DRAM_KINDS, "events": tuple(EVENTS), "energy_pj": tuple(COMPONENTS)}


def read_result(path: str | os.PathLike[str], schema: int) -> Result:
    """Rebuild a result from a document that :meth:`Result.to_dict` made.

    Raises:
        ResultError: there is none, it is of another schema, or something in it is not what it should be.
    """
    try:
        text = read_text(path, MOST_BYTES)
        document = json.loads(text)
    except OSError as error:
        raise ResultError(f"{path}: {error.strerror}: {ADVICE}") from None
    except (ValueError, RecursionError) as error:
        raise ResultError(f"{path} is not JSON ({one_line(error)}): {ADVICE}") from None
    if not isinstance(document, dict) or not {"schema", "arch", "layers", "totals"} <= set(document):
        raise ResultError(f"{path} holds no result: {ADVICE}")
    if document["schema"] != schema:
        raise ResultError(
            f"{path} has schema {shown(document['schema'])}, this version reads {schema}: run again"
        )
    try:
        result = _adapter().validate_json(text, strict=True)
        _check(result, document["totals"])
    except ValidationError as error:
        raise ResultError(f"{path} is damaged ({_first(error)}): run again") from None
    except (ArchError, ValueError) as error:
        raise ResultError(f"{path} is damaged ({one_line(error)}): run again") from None
    return result


def _check(result: Result, totals: Any) -> None:
    """Whether the runs are whole, those of the images, and add up to the totals.

    Raises:
        ValueError: says what does not fit.
    """
    if result.calibration_pictures < 0:
        raise ValueError("the calibration pictures are fewer than none")
    if not result.images or not result.layers:
        raise ValueError("there is no image or no layer")
    for layer in result.layers:
        for mode in MODES:
            _check_run(getattr(layer, mode), result.arch.cores)
        if (layer.dense.name, layer.dense.image) != (layer.name, layer.image):
            raise ValueError(f"{layer.name} of image {layer.image} lacks its baseline")
    names = dict.fromkeys(layer.name for layer in result.layers)
    expected = Counter((name, image) for name in names for image in result.images)
    if Counter((layer.name, layer.image) for layer in result.layers) != expected:
        raise ValueError("the layers are not those of the images")
    if result.overall() != totals:
        raise ValueError("the totals are not those of the layers")


def _check_run(run: LayerRun, cores: int) -> None:
    for field, keys in _PARTS.items():
        if tuple(getattr(run, field)) != keys:
            raise ValueError(f"{field} of {run.name} are not {', '.join(keys)}")
    if run.end - run.start != run.cycles or sum(run.causes.values()) != run.cycles * cores:
        raise ValueError(f"the core-cycles of {run.name} are not its cycles x {cores} cores")


@cache
def _adapter() -> TypeAdapter[Result]:
    from hwsim.machine.result import Result

    return TypeAdapter(Result)


def _first(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_context=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    return one_line(f"{where}: {first['msg']}".removeprefix(": ").replace("Value error, ", ""))
