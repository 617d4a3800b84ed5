"""What an unfinished trace holds, so that its writing can be taken up again.

``journal.jsonl`` lies beside the arrays while a trace grows: a line with the digest of the trace's header,
then a line for each image whose maps are all there, ``{"image": 3, "crc32": {"conv1": 1234, ...}}``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from hwsim.errors import TraceError

NAME = "journal.jsonl"


class Journal:
    """The journal of the trace that grows in a folder.

    Attributes:
        images: by image that is whole, the CRC-32 of each of its maps.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / NAME
        self.images: dict[int, dict[str, int]] = {}

    def begin(self, digest: str) -> None:
        """Begin an empty journal of the trace whose header has this digest."""
        self.images = {}
        self._path.write_text(json.dumps({"header": digest}) + "\n", encoding="ascii")

    def take_up(self, digest: str) -> None:
        """Read the journal that is there; a last line that was cut short does not count.

        Raises:
            TraceError: there is none, or it is of a trace with another header.
        """
        lines = self._path.read_bytes().splitlines(keepends=True) if self._path.is_file() else []
        whole = [_document(line) for line in lines if line.endswith(b"\n")]
        if not whole or whole[0].get("header") != digest:
            raise TraceError(
                f"{self._path.parent} is of another capture (network, pictures, options or version): "
                "remove it, or give the options it was begun with"
            )
        for entry in whole[1:]:
            image, crcs = entry.get("image"), entry.get("crc32")
            if isinstance(image, int) and isinstance(crcs, dict):
                self.images[image] = crcs
        self._path.write_bytes(b"".join(line for line in lines if line.endswith(b"\n")))

    def add(self, image: int, crcs: Mapping[str, int]) -> None:
        """Note that all maps of an image are there."""
        self.images[image] = dict(crcs)
        with self._path.open("a", encoding="ascii") as file:
            file.write(json.dumps({"image": image, "crc32": crcs}) + "\n")

    def remove(self) -> None:
        """The trace is whole."""
        self._path.unlink()


def _document(line: bytes) -> dict:
    try:
        document = json.loads(line)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
