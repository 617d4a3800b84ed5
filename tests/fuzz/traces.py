"""Damaged traces: one TraceError, or what was written."""

import io
import json
import os
import stat
import struct
import tempfile
import warnings
import zipfile
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from numcodecs.zstd import Zstd

from fuzz import damage, refused
from hwsim.errors import TraceError
from hwsim.layer import MAX_TAPS
from hwsim.trace import header, open_trace, source
from traces import Tiny

TINY = Tiny()
_METHODS = (zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
_KINDS = (stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFDIR)


def make(random: Random) -> bytes:
    """A zip file of a trace with one or two damages."""
    files = dict(_good())
    _bombs()  # made when there is memory for it
    whole = random.randrange(8) == 0
    for _ in range(random.choice((1, 1, 2))):
        name = random.choice(sorted(files)) if files else "zarr.json"
        random.choice(_WAYS)(random, files, name)
    data = _zip(files, random)
    return random.choice((damage.bits, damage.length))(random, data) if whole else data


def check(data: bytes) -> bool:
    """Read it as a zip file, and unpacked as a folder."""
    with tempfile.TemporaryDirectory() as made:
        place = Path(made) / "t.zip"
        place.write_bytes(data)
        read = _check(place)
        folder = Path(made) / "t"
        return _check(folder) or read if _unpack(place, folder) else read


def _unpack(place: Path, folder: Path) -> bool:
    """Whether Python's own zipfile makes a folder of it: in a child, whose memory is not the reader's."""
    child = os.fork()
    if child == 0:
        with suppress(BaseException), zipfile.ZipFile(place) as archive:  # whatever it makes of damage
            for member in archive.infolist():
                if member.file_size < 1 << 26:
                    archive.extract(member, folder)
            os._exit(0)
        os._exit(1)
    _, status = os.waitpid(child, 0)
    return status == 0 and folder.is_dir()


def _check(place: Path) -> bool:
    try:
        with open_trace(place) as trace:
            assert all(layer.macs <= layer.published_macs for layer in trace.layers)
            trace.check()
            for layer in trace.layers:
                repr(trace.weight_scale(layer)) if layer.name in trace.header.weights else None
            untouched = trace.digest == _digest()
            if untouched:
                TINY.assert_equal(trace)
    except TraceError as error:
        assert "MemoryError" not in f"{error}"  # noqa: PT017
        return refused(error)
    return True


@cache
def _good() -> tuple[tuple[str, bytes], ...]:
    with tempfile.TemporaryDirectory() as made, zipfile.ZipFile(TINY.write(f"{made}/t.zip")) as archive:
        return tuple((name, archive.read(name)) for name in archive.namelist())


@cache
def _digest() -> str:
    return header.digest(header.load(dict(_good())["zarr.json"], "good"))


def _zip(files: dict[str, bytes], random: Random) -> bytes:
    buffer = io.BytesIO()
    method = random.choice((zipfile.ZIP_STORED,) * 6 + _METHODS)
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in files.items():
            written = name.replace("\0", "_").encode("utf-8", "replace").decode()
            entry = zipfile.ZipInfo(written or "_")
            entry.compress_type = method
            if random.randrange(200) == 0:
                entry.create_system, entry.external_attr = 3, random.choice(_KINDS) << 16
            archive.writestr(entry, data)
        if random.randrange(40) == 0:
            with warnings.catch_warnings(action="ignore"):
                archive.writestr(random.choice(sorted(files) or ["a"]), b"twice")
        if random.randrange(40) == 0:
            archive.writestr("more", b"")
    return buffer.getvalue()


def _bits(random: Random, files: dict[str, bytes], name: str) -> None:
    files[name] = damage.bits(random, files.get(name, b""))


def _length(random: Random, files: dict[str, bytes], name: str) -> None:
    files[name] = damage.length(random, files.get(name, b""))


def _missing(random: Random, files: dict[str, bytes], name: str) -> None:
    files.pop(name, None)


def _swapped(random: Random, files: dict[str, bytes], name: str) -> None:
    other = random.choice(sorted(files) or [name])
    files[name], files[other] = files.get(other, b""), files.get(name, b"")


def _renamed(random: Random, files: dict[str, bytes], name: str) -> None:
    files[random.choice((*damage.NAMES, name + "/x", name.upper(), name[:-1]))] = files.pop(name, b"")


def _json(random: Random, files: dict[str, bytes], name: str) -> None:
    """A changed value; the checksum of the header is made right again, mostly."""
    documents = [known for known in files if known.endswith(".json")] or [name]
    name = random.choice(("zarr.json", "zarr.json", random.choice(documents)))
    try:
        document = damage.json(random, json.loads(files[name]))
        if name == "zarr.json" and random.randrange(8):
            _sign(document)
        text = json.dumps(document)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
        return
    files[name] = text.encode("utf-8", "surrogatepass")


def _sign(document: dict) -> None:
    ours = document["attributes"]["hwsim"]
    ours["sha256"] = header._digest(json.dumps(ours["trace"], sort_keys=True, separators=(",", ":")))


def _written(random: Random, files: dict[str, bytes], name: str) -> None:
    """JSON that only looks like it."""
    root = files.get("zarr.json", b"{")
    ways = (
        lambda: b"[" * random.choice((10, 1000, 50_000)),
        lambda: b"{" * 1000,
        lambda: b"[" + b"[]," * random.choice((1000, 200_000)) + b"[]]",
        lambda: b"[" + b"0," * random.choice((1000, 2_000_000)) + b"0]",
        lambda: b"[" + b'"a",' * random.choice((1000, 500_000)) + b'"a"]',
        lambda: b'"' + b"a" * random.choice((1000, 30 << 20)) + b'"',
        lambda: b"1" * random.choice((10, 5000, 1 << 20)),
        lambda: b"NaN",
        lambda: b"null",
        lambda: b"\xff\xfe",
        lambda: b"\xef\xbb\xbf" + root,
        lambda: b" " * random.choice((10, 40 << 20)),
        lambda: root.replace(b'"schema": 1', b'"schema": 1, "schema": 99999'),
        lambda: root.replace(b'"images": 2', b'"images": 2' + b"0" * 5000),
        lambda: _signed_with(root, random),
    )
    files[name if name.endswith("json") else "zarr.json"] = random.choice(ways)()


def _signed_with(root: bytes, random: Random) -> bytes:
    """A header with a large provenance, which is free of form, and the right checksum."""
    count = 1 << random.randrange(21)
    free: Callable[[], object] = random.choice(
        (
            lambda: [0] * count,
            lambda: list(range(10**9, 10**9 + count)),
            lambda: {f"k{number}": number for number in range(count // 8)},
            lambda: [{"a": [{}]}] * (count // 16),
            lambda: "\u20ac" * count,
        )
    )
    try:
        document = json.loads(root)
        document["attributes"]["hwsim"]["trace"]["provenance"] = {"x": free()}
        _sign(document)
    except (KeyError, TypeError, ValueError, AttributeError):
        return root
    return json.dumps(document).encode()


def _codec(random: Random, files: dict[str, bytes], name: str) -> None:
    """A chunk that was made by another hand, or that blows up."""
    chunks = [name for name in files if "/c/" in name] or [name]
    chunk = random.choice(chunks)
    ways = (
        lambda: random.choice(_bombs()),
        lambda: random.choice(_bombs()) * 2,
        lambda: b"",
        lambda: bytes(120),
        lambda: b"\x50\x2a\x4d\x18\4\0\0\0skip" + files.get(chunk, b""),  # a frame to be skipped
        lambda: _frame_of(random.choice((119, 120, 121, 1 << 31, 1 << 40, (1 << 64) - 1))),
        lambda: _without_size(random.choice((1, 1000, 100_000))),
        lambda: Zstd(1).encode(files.get(chunk, b"")),
        lambda: random.randbytes(random.choice((1, 100, 200_000))),
    )
    files[chunk] = random.choice(ways)()


@cache
def _bombs() -> tuple[bytes, ...]:
    return tuple(Zstd(1).encode(bytes(size)) for size in (119, 120, 121, 1 << 16, 1 << 28))


def _frame_of(size: int) -> bytes:
    """A Zstandard frame (RFC 8878) that says it has so many bytes, in one block of a repeated byte."""
    return (
        b"\x28\xb5\x2f\xfd\xe0"
        + struct.pack("<Q", size)
        + (((1 << 17) << 3 | 0b011).to_bytes(3, "little"))
        + b"\0"
    )


def _without_size(blocks: int) -> bytes:
    """A frame that does not say its size, with blocks of 128 KiB of a repeated byte."""
    block = ((1 << 17) << 3 | 0b010).to_bytes(3, "little") + b"\0"
    last = ((1 << 17) << 3 | 0b011).to_bytes(3, "little") + b"\0"
    return b"\x28\xb5\x2f\xfd\x00\x58" + block * blocks + last


_WAYS = (_bits, _length, _missing, _swapped, _renamed, _json, _json, _json, _written, _codec, _codec)


def _with(name: str, data: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, content in {**dict(_good()), name: data}.items():
            archive.writestr(member, content)
    return buffer.getvalue()


def _edited(change: Callable[[Any], object], name: str = "zarr.json") -> bytes:
    document = json.loads(dict(_good())[name])
    change(document)
    if name == "zarr.json":
        _sign(document)
    return _with(name, json.dumps(document).encode())


def _long_names(root: Any) -> None:
    """Layers whose names make the header as long as it may be."""
    trace = root["attributes"]["hwsim"]["trace"]
    layer = trace["layers"][0]
    del layer["output"]
    for number in range(5300):
        name = f"{number:04}" + "n" * (header.MAX_NAME - 4)
        trace["layers"].append({**layer, "name": name})


def _large_kernels(root: Any) -> None:
    """Layers of one output channel, whose map and kernel are long."""
    trace = root["attributes"]["hwsim"]["trace"]
    shape, kernel = [1, 1, 1 << 24], [1, MAX_TAPS]
    long = {**trace["layers"][0], "input": "long", "in_shape": shape, "out_shape": shape, "kernel": kernel}
    trace["maps"].append({**trace["maps"][0], "name": "long", "shape": shape})
    trace["checksums"]["long"] = trace["checksums"]["image"]
    long.pop("output")
    long["padding"] = [0, MAX_TAPS // 2]
    trace["layers"] += [{**long, "name": f"{number}"} for number in range(5000)]


def _provenance(value: Any) -> bytes:
    return _edited(lambda root: root["attributes"]["hwsim"]["trace"]["provenance"].update(x=value))


def _crowded(most: int) -> bytes:
    """A zip file of nothing but a directory, of so many bytes, of members of one name that are not there."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a", b"")
    one = buffer.getvalue()
    entry = one[one.index(b"PK\1\2") : one.index(b"PK\5\6")]
    size = len(entry) * (most // len(entry))
    return entry * (size // len(entry)) + b"PK\5\6" + bytes(8) + struct.pack("<LLH", size, 0, 0)


MAP = "maps/000_image"
KNOWN = {
    "a chunk of 256 MB": lambda: _with(f"{MAP}/c/0/0/0/0", _bombs()[-1]),
    "a chunk without size": lambda: _with(f"{MAP}/c/0/0/0/0", _without_size(100_000)),
    "a chunk of 2^40 bytes": lambda: _with(f"{MAP}/c/0/0/0/0", _frame_of(1 << 40)),
    "a chunk of many values": lambda: _edited(
        lambda array: array["chunk_grid"]["configuration"].update(chunk_shape=[1, 3, 5, 1 << 30]),
        f"{MAP}/zarr.json",
    ),
    "many layers": lambda: _edited(
        lambda root: root["attributes"]["hwsim"]["trace"]["layers"].extend(
            root["attributes"]["hwsim"]["trace"]["layers"] * 20_000
        )
    ),
    "many values": lambda: _provenance(list(range(1 << 21))),
    "as many values as there may be": lambda: _provenance(list(range(1000, 1000 + (1 << 19) - 200))),
    "many texts": lambda: _provenance(["a"] * (1 << 19)),
    "many lists": lambda: _provenance([[]] * (1 << 20)),
    "as many names as there may be": lambda: _provenance(
        {str(number): 0 for number in range((1 << 17) - 200)}
    ),
    "as long a text as there may be": lambda: _provenance("\u20ac" * ((header.MAX_FREE - 100) // 6)),
    "too long a text": lambda: _provenance("\u20ac" * ((4 << 20) - 5000)),
    "as many names as long": lambda: _edited(_long_names),
    "deep lists": lambda: _with("zarr.json", b"[" * 100_000),
    "a long number": lambda: _with("zarr.json", b"1" * (1 << 20)),
    "spaces": lambda: _with("zarr.json", b" " * (100 << 20)),
    "large kernels": lambda: _edited(_large_kernels),
    "a crowded directory": lambda: _crowded(16 << 20),
    "as crowded a directory as there may be": lambda: _crowded(source.DIRECTORY_BYTES - 100),
}
