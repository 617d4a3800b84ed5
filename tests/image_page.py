"""The image that docs/integration.md works out by hand, and the machine that it is for."""

import re
from pathlib import Path
from typing import Any

from hwsim.arch import Arch

PAGE = (Path(__file__).parents[1] / "docs" / "integration.md").read_text(encoding="utf-8")
FILE_BYTES = 12492
RESULT = 192 + 16384  # in the file
BYTES = re.compile(r"^([0-9a-f]{4})  ((?:[0-9a-f]{2} )*[0-9a-f]{2})  ", re.MULTILINE)


def machine() -> Arch:
    """The machine whose fields the page names."""
    example = PAGE[PAGE.index("## An image by hand") :]
    fields: dict[str, Any] = {name: int(value) for name, value in re.findall(r"`(\w+) = (\d+)`", example)}
    assert len(fields) == 7
    return Arch(**fields)


def page_bytes() -> bytearray:
    """All bytes of the page, by their addresses; what it does not tell is 0."""
    found = BYTES.findall(PAGE)
    data = bytearray(RESULT + 64)
    told = 0
    for address, digits in found:
        given = bytes.fromhex(digits)
        assert int(address, 16) >= told, f"{address}: told twice"
        told = int(address, 16) + len(given)
        data[int(address, 16) : told] = given
    return data
