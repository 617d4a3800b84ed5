"""What an unfinished trace holds, so that its writing can be taken up again.

``journal.jsonl`` lies beside the arrays while a trace grows: a line with the digest of the trace's header,
then a line for each image whose maps are all there, ``{"image": 3, "crc32": {"conv1": 1234, ...}, "clamped":
{"conv1": [2, 1.5]}}``. Who has it open has hold of the folder, and the system lets go of it when that process
ends, however it ends.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Mapping
from pathlib import Path

from hwsim.errors import TraceError

NAME = "journal.jsonl"
Overshoot = tuple[int, float]
"""Values of a map that were clamped, and the largest as a multiple of what the largest code stands for."""


class Journal:
    """The journal of the trace that grows in a folder, made if it is not there.

    Attributes:
        images: by image that is whole, the CRC-32 of each of its maps.
        clamped: by such an image, how many values of its maps were clamped, and how far they overshot.

    Raises:
        TraceError: another process is at work in the folder.
    """

    def __init__(self, folder: Path) -> None:
        self.images: dict[int, dict[str, int]] = {}
        self.clamped: dict[int, dict[str, Overshoot]] = {}
        self._file = (folder / NAME).open("a+b")
        taken = False
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            taken = True
        except OSError:
            pass  # a file system without locks
        if taken or not os.fstat(self._file.fileno()).st_nlink:  # or its holder has just removed it
            self._file.close()
            raise TraceError(f"another capture is at work in {folder}: wait for its end, or stop it first")

    def clear(self) -> None:
        """Forget everything."""
        self.images, self.clamped = {}, {}
        self._file.truncate(0)

    def take_up(self, digest: str) -> bool:
        """Go on with the trace whose header has this digest; False if the journal is of another one.

        A last line that was cut short does not count.
        """
        self._file.seek(0)
        lines = [line for line in self._file if line.endswith(b"\n")]
        entries = [_document(line) for line in lines]
        if entries and entries[0].get("header") != digest:
            return False
        for entry in entries[1:]:
            image, crcs = entry.get("image"), entry.get("crc32")
            if isinstance(image, int) and isinstance(crcs, dict):
                self.images[image] = crcs
                self.clamped[image] = _overshoots(entry.get("clamped"))
        self._file.truncate(sum(len(line) for line in lines))
        if not entries:
            self._write({"header": digest})
        return True

    def add(self, image: int, crcs: Mapping[str, int], clamped: Mapping[str, Overshoot]) -> None:
        """Note that all maps of an image are there."""
        self.images[image] = dict(crcs)
        self._write({"image": image, "crc32": self.images[image], "clamped": dict(clamped)})

    def close(self) -> None:
        """Let go of the folder."""
        self._file.close()

    def _write(self, entry: Mapping[str, object]) -> None:
        self._file.write(json.dumps(entry).encode("ascii") + b"\n")
        self._file.flush()


def _document(line: bytes) -> dict:
    try:
        document = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _overshoots(entry: object) -> dict[str, Overshoot]:
    found = entry.items() if isinstance(entry, dict) else ()
    return {
        name: (pair[0], float(pair[1]))
        for name, pair in found
        if isinstance(pair, list) and len(pair) == 2 and isinstance(pair[0], int)
    }
