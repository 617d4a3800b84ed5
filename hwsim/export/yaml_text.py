"""Plain data as YAML in block style: what Accelergy's files need, and no more."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any


def yaml_lines(data: Any, indent: str = "") -> Iterator[str]:
    """Lines of YAML 1.1 for mappings, non-empty lists and scalars, nested as they are.

    Strings (printable ASCII) are quoted as in JSON, and floats have a point and a sign, so that no reader
    takes one for the other.
    """
    if isinstance(data, dict):
        for key, value in data.items():
            yield from _entry(f"{indent}{key}:", value, indent)
    else:
        for value in data:
            if isinstance(value, dict):
                first, *rest = yaml_lines(value, f"{indent}  ")
                yield f"{indent}- {first.lstrip()}"
                yield from rest
            else:
                yield f"{indent}- {_scalar(value)}"


def _entry(key: str, value: Any, indent: str) -> Iterator[str]:
    if isinstance(value, dict | list):
        yield key
        yield from yaml_lines(value, f"{indent}  ")
    else:
        yield f"{key} {_scalar(value)}"


def _scalar(value: Any) -> str:
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"no finite number: {value}")
        mantissa, exponent, power = repr(value).partition("e")
        return f"{mantissa if '.' in mantissa else mantissa + '.0'}{exponent}{power}"
    return json.dumps(value)
