"""What is known of one network on one data set, in one variant: the rows of the tables, stored as JSON."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from typing import ClassVar

from pydantic import ConfigDict, TypeAdapter, ValidationError

from hwsim.errors import ReproduceError, first_problem
from hwsim.files import read_text

FORMAT, SCHEMA = "hwsim tables", 1
STRICT = ConfigDict(extra="forbid")


@dataclass(frozen=True)
class Answers:
    """Right answers among pictures.

    Raises:
        ValueError: the numbers do not fit.
    """

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    correct: int
    pictures: int

    def __post_init__(self) -> None:
        if not 0 <= self.correct <= self.pictures or not self.pictures:
            raise ValueError(f"{self.correct} right of {self.pictures} pictures")

    @property
    def accuracy(self) -> float:
        """Right answers / pictures."""
        return self.correct / self.pictures


@dataclass(frozen=True)
class Compared:
    """A network beside a reference on the same test pictures: :class:`hwsim.sparsify.statistics.Paired`.

    Attributes:
        reference: ``control`` (trained as long, without sparsity) or ``baseline``.
        pictures: that both answered.
        difference: right answers more than the reference has.
        low, high: 95 % interval of the difference in accuracy, as shares.
        delta: share of the pictures whose loss would not matter.
        keeps_answers: whether answers are non-inferior.
        keeps_loss: whether cross-entropy is not significantly worse.
    """

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    reference: str
    pictures: int
    difference: int
    low: float
    high: float
    delta: float
    keeps_answers: bool
    keeps_loss: bool

    @property
    def no_loss(self) -> bool:
        """Whether "no loss" may be said."""
        return self.keeps_answers and self.keeps_loss


@dataclass(frozen=True)
class Width:
    """A map at one width, all pictures together.

    Attributes:
        nonzeros: values that are not zero.
        distinct: different values; the entropy is too low where ``values / distinct`` is small.
        bits: by coder, before padding to bytes; ``raw`` are words of the width.
    """

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    nonzeros: int
    distinct: int
    bits: dict[str, int]


@dataclass(frozen=True)
class MapSizes:
    """An activation map under every coder.

    Attributes:
        name: of the map.
        picture: it is the picture itself, no activation.
        values: of all measured pictures.
        widths: by bits as text.
    """

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    name: str
    picture: bool
    values: int
    widths: dict[str, Width]


@dataclass(frozen=True)
class LayerRow:
    """A layer on the simulated machine, all measured pictures together."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    name: str
    input: str
    macs: int
    nonzero_macs: int
    cycles: int
    dense_cycles: int


@dataclass(frozen=True)
class Simulated:
    """A trace, measured.

    Attributes:
        trace: its name.
        digest: of the trace.
        images: pictures in it that were measured.
        bits: widest of its maps.
        machine: that was simulated, in words.
        layers: in order of execution.
        maps: in the order in which they are first read.
    """

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    trace: str
    digest: str
    images: int
    bits: int
    machine: str
    layers: tuple[LayerRow, ...]
    maps: tuple[MapSizes, ...]


@dataclass(frozen=True)
class Entry:
    """A row of the tables.

    Attributes:
        network, data, variant: which; ``variant`` ``baseline`` is what the others are compared with.
        accuracy: by ``float`` and by bits of the maps as text.
        simulated: what its trace says; None if there is none.
        notes: how it came about, and what is missing and why: sentences.
        compared: with the control and with the baseline, on the test part.
        integers: accuracy in integers alone, by bits of the maps as text, on the pictures of ``accuracy``.
    """

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    network: str
    data: str
    variant: str
    accuracy: dict[str, Answers] = field(default_factory=dict)
    simulated: Simulated | None = None
    notes: tuple[str, ...] = ()
    compared: tuple[Compared, ...] = ()
    integers: dict[str, Answers] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str, str]:
        """What an entry is about."""
        return self.network, self.data, self.variant


@dataclass(frozen=True)
class Tables:
    """The document ``tables.json``."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    format: str
    schema: int
    made_with: dict[str, str]
    entries: tuple[Entry, ...]


def merged(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """One entry for each network, data set and variant, those of a network and data set one after the other.

    What the first one lacks is the next one's. Accuracy is taken whole, from the entry that has it at the
    most widths: so it is of the same pictures.
    """
    found: dict[tuple[str, str, str], Entry] = {}
    for entry in entries:
        known = found.setdefault(entry.key, entry)
        if known is not entry:
            measured = max(known, entry, key=lambda one: (len(one.accuracy), len(one.integers)))
            found[entry.key] = replace(
                known,
                accuracy=measured.accuracy,
                integers=measured.integers,
                simulated=known.simulated or entry.simulated,
                compared=known.compared or entry.compared,
                notes=tuple(dict.fromkeys((*known.notes, *entry.notes))),
            )
    pairs = list(dict.fromkeys(key[:2] for key in found))
    return tuple(sorted(found.values(), key=lambda entry: pairs.index(entry.key[:2])))


def to_json(entries: Sequence[Entry], made_with: dict[str, str]) -> str:
    """The text of ``tables.json``."""
    return json.dumps(asdict(Tables(FORMAT, SCHEMA, made_with, tuple(entries))), indent=1) + "\n"


def read_tables(path: str | os.PathLike[str]) -> Tables:
    """Read a document that :func:`to_json` made.

    Raises:
        ReproduceError: there is none, it is of a newer schema, or something in it is not what it should be.
    """
    advice = "give a tables.json that hwsim reproduce or hwsim accuracy wrote"
    try:
        document = json.loads(read_text(path))
    except OSError as error:
        raise ReproduceError(f"{path}: {error.strerror}: {advice}") from None
    except (ValueError, RecursionError):
        raise ReproduceError(f"{path} is not JSON: {advice}") from None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise ReproduceError(f"{path} holds no tables: {advice}")
    if document.get("schema") != SCHEMA:
        raise ReproduceError(
            f"{path} has schema {document.get('schema')}, this version reads {SCHEMA}: upgrade hwsim"
        )
    try:
        return _adapter().validate_json(json.dumps(document), strict=True)
    except ValidationError as error:
        raise ReproduceError(f"{path} is damaged ({first_problem(error)}): make it again") from None


@cache
def _adapter() -> TypeAdapter[Tables]:
    return TypeAdapter(Tables)
