"""What may happen to bytes, to text and to JSON."""

from random import Random
from typing import Any

# Edges of widths and of what is allowed, what no float holds, and text that ends lines, paths or cells.
EDGES = (0, 1, -1, 2, 15, 16, 17, 255, 65535, 65536, 2**31 - 1, 2**31, 2**32, 2**53, 2**63 - 1, 2**63, 2**64)
FAR = (10**30, 10**400, -(2**63), 1e-320, 1e300, 1e308, -0.0, 0.5)
NAMES = (
    *("", " ", "a", "=1+1", "+1", "-1", "@x", "\t=1", "\r=1", "a\0b", "a\nb", "\x1b[31m", "\u202e", "\ud800"),
    *("é" * 50, "x" * 5000, "con", "../../etc/passwd", "/dev/zero", "zarr.json", "maps", "c/0/0/0/0", "NaN"),
)


def bits(random: Random, data: bytes) -> bytes:
    """One flipped bit, or some flipped bytes."""
    if not data:
        return b"\0"
    changed = bytearray(data)
    for _ in range(random.choice((1, 1, 2, 8))):
        changed[random.randrange(len(changed))] ^= random.choice(
            (1 << random.randrange(8), random.randrange(256))
        )
    return bytes(changed)


def length(random: Random, data: bytes) -> bytes:
    """Cut, lengthened, a piece taken out, or a piece twice."""
    a, b = sorted(random.randrange(len(data) + 1) for _ in range(2))
    return random.choice(
        (
            data[:a],
            data[a:],
            data[:a] + data[b:],
            data[:b] + data[a:b] * random.choice((1, 1, 100)) + data[b:],
            data + bytes(random.randrange(1, 100)),
            data[:a] + random.randbytes(b - a) + data[b:],
        )
    )


def value(random: Random) -> Any:
    """A value of JSON that hardly anybody expects."""
    kind = random.randrange(8)
    if kind < 3:
        return random.choice(EDGES)
    if kind == 3:
        return random.choice(FAR)
    if kind == 4:
        return random.choice(NAMES)
    if kind == 5:
        return random.choice((None, True, False, [], {}, [[]], [0], ["a"], {"a": 1}, "1", "true"))
    if kind == 6:
        deep: Any = 1
        for _ in range(random.choice((2, 20, 200, 900))):
            deep = [deep]
        return deep
    return [random.choice(EDGES)] * random.choice((1, 2, 3, 4, 5, 10_000))


def json(random: Random, document: Any) -> Any:
    """The document with a value changed, added, removed, or put in the place of another."""
    places = list(_places(document))
    if not places:
        return value(random)
    holder, key = random.choice(places)
    kind = random.randrange(6)
    if kind == 0 and isinstance(holder, dict):
        del holder[key]
    elif kind == 1:
        other, place = random.choice(places)
        holder[key] = (
            other.get(place) if isinstance(other, dict) else (other[place] if place < len(other) else 0)
        )
    elif kind == 2 and isinstance(holder, dict):
        holder[random.choice(NAMES)] = value(random)
    elif kind == 3 and isinstance(holder, list):
        holder.extend([holder[key]] * random.choice((1, 2, 1000)))
    elif kind == 4 and type(holder[key]) is int:
        holder[key] += random.choice((-1, 1, 1 << random.randrange(64)))
    else:
        holder[key] = value(random)
    return document


def _places(document: Any) -> Any:
    if isinstance(document, dict):
        for key in document:
            yield document, key
            yield from _places(document[key])
    elif isinstance(document, list):
        for key in range(len(document)):
            yield document, key
            yield from _places(document[key])
