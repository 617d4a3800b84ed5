"""Which line a core reads in a slot, and for which lane: docs/architecture.md, *Reading*."""

from collections.abc import Callable
from dataclasses import dataclass

LINE = 8
ENTRIES = 16
LATENCY = 5


@dataclass
class Place:
    """A segment as it lies in the map buffer: its first word's number, its length, its entry's number."""

    word: int
    words: int
    entry: int


@dataclass
class Service:
    """What a slot is used for: ``got``: of each lane, (segment, first word, words) or None."""

    lane: int
    line: int  # of the map, or of the index
    of_index: bool
    got: list[tuple[int, int, int] | None]


class Reading:
    """The reader, asked slot by slot.

    Attributes:
        due: of each lane, (cycle from which it is there, segment, number in it) of every word requested.
        entered: of each lane, how many words have entered; whoever takes them counts.
        passed_over, not_indexed: in the last slot, a lane could not be served though it asked; the other lane
            got nothing of the line since the index register did not have its entry.
    """

    def __init__(self, places: list[Place], there: Callable[[int], int]) -> None:
        self.places, self.there = places, there
        self.due: list[list[tuple[int, int, int]]] = [[], []]
        self.entered = [0, 0]
        self.passed_over = self.not_indexed = False
        self._next = 0
        self._asks: list[tuple[int, int] | None] = [None, None]  # segment, its next word
        self._last: int | None = None
        self._register = places[0].entry // ENTRIES
        self._coming: tuple[int, int] | None = None

    def done(self) -> bool:
        return self._next == len(self.places) and not any(self._wants(p) for p in (0, 1))

    def _wants(self, lane: int) -> tuple[int, int] | None:
        if self._asks[lane] is not None:
            return self._asks[lane]
        return (self._next, 0) if self._next < len(self.places) else None

    def slot(self, cycle: int) -> Service | None:
        """What happens in the slot of a cycle; words that enter in it have not."""
        if self._coming and self._coming[0] <= cycle:
            self._register, self._coming = self._coming[1], None
        wants = [self._wants(p) if self.entered[p] == len(self.due[p]) else None for p in (0, 1)]
        order = (1, 0) if self._last == 0 else (0, 1)
        self.passed_over = self.not_indexed = False
        for lane in order:
            if (want := wants[lane]) is None:
                continue
            segment, word = want
            place = self.places[segment]
            if word == 0 and place.entry // ENTRIES != self._register:
                if self._coming is None:
                    self._coming = (cycle + LATENCY, place.entry // ENTRIES)
                    self._last = lane
                    return Service(lane, place.entry // ENTRIES, True, [None, None])
            elif self.there((place.word + word) // LINE) <= cycle:
                self._last = lane
                line = (place.word + word) // LINE
                service = Service(lane, line, False, [None, None])
                service.got[lane] = self._give(lane, segment, word, cycle)
                other = 1 - lane
                if wants[other] is not None and (second := self._wants(other)) is not None:
                    place = self.places[second[0]]
                    known = second[1] > 0 or place.entry // ENTRIES == self._register
                    if (place.word + second[1]) // LINE == line:
                        self.not_indexed = not known
                        if known:
                            service.got[other] = self._give(other, *second, cycle)
                return service
            self.passed_over = True
        return None

    def _give(self, lane: int, segment: int, word: int, cycle: int) -> tuple[int, int, int]:
        place = self.places[segment]
        if word == 0:
            assert segment == self._next
            self._next += 1
        stop = min(place.words, ((place.word + word) // LINE + 1) * LINE - place.word)
        self.due[lane] += [(cycle + LATENCY, segment, w) for w in range(word, stop)]
        self._asks[lane] = (segment, stop) if stop < place.words else None
        return segment, word, stop - word
