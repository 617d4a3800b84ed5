"""Damaged reports: one ResultError, or a result whose runs add up to its totals."""

import json
import tempfile
from functools import cache
from pathlib import Path
from random import Random

from fuzz import damage, refused
from hwsim import Arch, Result, simulate
from hwsim.errors import ResultError
from hwsim.report.contents import to_json
from traces import Tiny


@cache
def _good() -> bytes:
    with tempfile.TemporaryDirectory() as made:
        return to_json(
            simulate(str(Tiny().write(f"{made}/t.zip")), Arch(cores=2), images=[0]).to_dict()
        ).encode()


def make(random: Random) -> bytes:
    """A report with one or two damages."""
    if random.randrange(5) == 0:
        return random.choice((damage.bits, damage.length))(random, _good())
    document = json.loads(_good())
    for _ in range(random.choice((0, 1, 1, 1, 2))):
        if isinstance(document, dict) and random.randrange(3) == 0:
            key = random.choice(sorted(document) or [""])
            document[key] = damage.json(random, {"": document.get(key)}).get("")
        else:
            document = damage.json(random, document)
    return json.dumps(document).encode("utf-8", "surrogatepass")


def check(data: bytes) -> bool:
    """Read it, and write it again."""
    with tempfile.TemporaryDirectory() as made:
        path = Path(made) / "report.json"
        path.write_bytes(data)
        try:
            result = Result.load(path)
        except ResultError as error:
            return refused(error)
        path.write_text(to_json(result.to_dict()))
        assert Result.load(path) == result
        str(result)
        return True


KNOWN: dict = {}
