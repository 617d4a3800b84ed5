"""A compiled design, and what every driver of one is told of a pass and says of it."""

from __future__ import annotations

import ctypes

# Of ``struct Pass`` in driver.cc: what follows the words or lines that a core reads, and what it ends with.
FED = (
    ("rows", ctypes.c_void_p),
    ("row_count", ctypes.c_int64),
    ("weights", ctypes.c_void_p),
    ("weight_count", ctypes.c_int64),
    ("scales", ctypes.c_void_p),
    ("scale_count", ctypes.c_int64),
    ("ready", ctypes.c_void_p),
    ("ready_count", ctypes.c_int64),
    ("most_cycles", ctypes.c_int64),
    ("coded", ctypes.c_void_p),
    ("coded_last", ctypes.c_void_p),
    ("coded_room", ctypes.c_int64),
    ("coded_count", ctypes.c_int64),
    ("index", ctypes.c_void_p),
    ("index_room", ctypes.c_int64),
    ("index_count", ctypes.c_int64),
)
COUNTED = tuple((name, ctypes.c_int64) for name in ("cycles", "symbols", "taps", "words_read", "error"))


class Design:
    """One core in a library that was built. Not for use by two threads at a time."""

    def __init__(self, library: ctypes.CDLL, struct: type[ctypes.Structure]) -> None:
        self._library = library
        library.create.restype = ctypes.c_void_p
        library.destroy.argtypes = [ctypes.c_void_p]
        library.run.argtypes = [
            ctypes.c_void_p,
            ctypes.POINTER(struct),
            ctypes.c_int64,
            ctypes.c_int64,
        ]
        library.run.restype = ctypes.c_int64
        self._core = library.create()

    def __del__(self) -> None:
        self._library.destroy(self._core)

    def run(self, passes: ctypes.Array, most_loads: int) -> int | None:
        """Cycles that passes took together; None if one does not come to its end, and the core is made anew.

        Args:
            passes: of the struct, read and written.
            most_loads: that the weight memory holds.
        """
        simulated = self._library.run(self._core, passes, len(passes), most_loads)
        if simulated >= 0:
            return simulated
        self._library.destroy(self._core)
        self._core = self._library.create()
        return None
