"""How a driver reaches registers and memory."""

from __future__ import annotations

import mmap
import os
import time
from pathlib import Path
from types import TracebackType
from typing import Protocol

from hwsim.errors import DriverError
from hwsim.registers import REGISTER_BYTES

PAUSE_SECONDS = 0.001


class Bus(Protocol):
    """Addresses of a system, as its processor has them.

    Registers are read and written with ``size`` and ``len(data)`` of 4, at multiples of 4: such an access
    must be a single one.
    """

    def read(self, address: int, size: int) -> bytes:
        """``size`` bytes from ``address`` on."""

    def write(self, address: int, data: bytes) -> None:
        """Write ``data`` from ``address`` on."""

    def pause(self) -> None:
        """Return when the machine's interrupt came, or a while has passed."""


class MappedBus:
    """A part of a file as a bus: of ``/dev/mem``, or of a device of Linux's ``uio``.

    Args:
        path: of the file.
        address: of the first byte in the file, a multiple of the size of a page.
        size: in bytes.

    Raises:
        DriverError: it cannot be opened, or has no such part.
    """

    def __init__(self, path: str | os.PathLike[str], address: int, size: int) -> None:
        self._address = address
        try:
            file = os.open(Path(path), os.O_RDWR | getattr(os, "O_SYNC", 0))
            try:
                self._map = mmap.mmap(file, size, offset=address)
            finally:
                os.close(file)
        except (OSError, ValueError, OverflowError) as error:
            raise DriverError(f"{path}: {size} bytes at {address:#x} cannot be mapped: {error}") from None
        self._registers = memoryview(self._map)[: size - size % REGISTER_BYTES].cast("I")

    def read(self, address: int, size: int) -> bytes:
        at = self._place(address, size)
        if size == REGISTER_BYTES:
            return self._registers[at // REGISTER_BYTES].to_bytes(REGISTER_BYTES, "little")
        return self._map[at : at + size]

    def write(self, address: int, data: bytes) -> None:
        at = self._place(address, len(data))
        if len(data) == REGISTER_BYTES:
            self._registers[at // REGISTER_BYTES] = int.from_bytes(data, "little")
        else:
            self._map[at : at + len(data)] = data

    def pause(self) -> None:
        time.sleep(PAUSE_SECONDS)

    def _place(self, address: int, size: int) -> int:
        at = address - self._address
        if not 0 <= at <= len(self._map) - size or (size == REGISTER_BYTES and at % REGISTER_BYTES):
            raise DriverError(f"{size} bytes at {address:#x} are not in what is mapped")
        return at

    def close(self) -> None:
        """Give the part of the file back."""
        self._registers.release()
        self._map.close()

    def __enter__(self) -> MappedBus:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
