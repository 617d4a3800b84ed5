"""The table in a topology file: rows and cells, what its titles say, and what its further columns ask for.

SCALE-Sim reads its columns by position and takes no notice of their titles, which differ between its own
files. So do we, but a title that says otherwise is told. What stands beyond the columns that SCALE-Sim reads
is decided by its title: it changes nothing, or it is done, or it is refused; none is passed over in silence.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from hwsim.networks.network import some

Format = Literal["conv", "gemm"]
COLUMNS: dict[Format, tuple[str, ...]] = {
    "conv": (
        "Layer name",
        "IFMAP Height",
        "IFMAP Width",
        "Filter Height",
        "Filter Width",
        "Channels",
        "Num Filter",
        "Strides",
    ),
    "gemm": ("Layer", "M", "N", "K"),
}
_INPUT, _FILTER, _MANY = "(ifmap|ifm|input|in|map|image|i)", "(filter|filt|kernel|weights?|f|k)", "(num|no|n)"
_SPELLINGS: dict[Format, dict[str, str]] = {  # of titles, their letters alone
    "conv": {
        "IFMAP Height": f"{_INPUT}?(height|h|rows?)",
        "IFMAP Width": f"{_INPUT}?(width|w|col(umn)?s?)",
        "Filter Height": f"{_FILTER}(height|h|rows?)|r",
        "Filter Width": f"{_FILTER}(width|w|col(umn)?s?)|s",
        "Channels": f"{_MANY}?(of)?{_INPUT}?(channels?|ch|c|depth)",
        "Num Filter": f"{_MANY}?(of)?(filters?|filt|kernels?|out(put)?(channels?|s)?|m|k)",
        "Strides": "strides?(height|width|h|w|x|y)?|(height|width|h|w|x|y)strides?",
    },
    "gemm": {
        title: f"(gemm|dim(ension)?)?{title.lower()}(dim(ension)?|size)?" for title in COLUMNS["gemm"][1:]
    },
}
_FURTHER = {  # what is known of further columns: what their titles look like, letters alone
    "stride": ".*stride.*",
    "sparsity": ".*spars.*|nm",
    "batch": f"{_MANY}?(of)?(mini)?batch(es)?(size|es|n)?",
    "dilation": ".*dilat.*",
    "groups": ".*groups?",
    "padding": "pad.*",
}
_N_OF_M = re.compile(r"(\d+)\s*:\s*(\d+)")
_DENSE = "1"  # without a colon, as a ratio
_COMMENT = ("#", "//")
_SHOWN = 3  # cells of a column that is not read


@dataclass(frozen=True)
class Further:
    """What the further columns of a layer ask for.

    Attributes:
        stride_height, stride_width: where a column gives one of its own.
        batch, dilation, groups, padding: as they are called; the defaults change nothing.
        sparsity: of the weights, N of every M are kept.
    """

    stride_height: int | None = None
    stride_width: int | None = None
    batch: int = 1
    dilation: int = 1
    groups: int = 1
    padding: int = 0
    sparsity: tuple[int, int] = (1, 1)


@dataclass(frozen=True)
class Row:
    """A layer's line.

    Attributes:
        number: of the line, from 1.
        name: of the layer, as it stands there.
        cells: those that SCALE-Sim reads, behind the name; empty where there are too few.
        further: (meaning, title, cell) of all others that are not empty; the meaning is a key of
            ``_FURTHER``, or empty.
    """

    number: int
    name: str
    cells: tuple[str, ...]
    further: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True)
class TopologyTable:
    """A file's table.

    Attributes:
        format: a convolution or a matrix product a line.
        stride: the direction that the column of strides is said to be of: ``height``, ``width`` or empty.
        rows: of the layers.
        notes: what was not taken as it stands, a line each.
    """

    format: Format
    stride: str
    rows: tuple[Row, ...]
    notes: tuple[str, ...]


def read_table(lines: Sequence[str]) -> TopologyTable:
    """The table in the lines of a file.

    Cells are parted by commas, tabs or semicolons, and may be quoted. The first line that is no heading holds
    titles unless it has a number behind the name.

    Raises:
        ValueError: it is no topology; the message begins with the line.
    """
    lines_and_cells = list(_split(lines))
    headings = [line for line in lines_and_cells if _is_heading(line[1])]
    rest = [line for line in lines_and_cells if not _is_heading(line[1])]
    if not rest:
        raise ValueError(f"line 1: {_EXPECTED}")
    number, first = rest[0]
    titles = [] if any(_is_number(cell) for cell in first[1:]) else rest.pop(0)[1]
    format_ = _format(number, titles, first)
    rows = [_row(number, cells, titles, format_) for number, cells in rest]
    notes = [
        *(_check_titles(number, titles, format_) if titles else ()),
        *_unread(rows),
        *_told_of_cells(rows),
        *(
            f"line {at} has no size, {', '.join(filter(None, cells))!r}: a heading, not a layer"
            for at, cells in headings
        ),
    ]
    strides = titles[len(COLUMNS["conv"]) - 1] if format_ == "conv" and titles else ""
    return TopologyTable(format_, _direction(strides), tuple(rows), tuple(notes))


_EXPECTED = (
    "no SCALE-Sim topology, which starts with "
    f"'{', '.join(COLUMNS['conv'])}' or '{', '.join(COLUMNS['gemm'])}'"
)


def whole(title: str, cell: str, least: int = 1) -> int:
    """The number in a cell.

    Raises:
        ValueError: it is none, or less than ``least``.
    """
    if not re.fullmatch(r"[0-9]{1,9}", cell) or int(cell) < least:
        raise ValueError(f"{title} must be a whole number {'above' if least else 'from'} 0, not {cell!r}")
    return int(cell)


def further_of(row: Row) -> Further:
    """What the further columns of a row ask for.

    Raises:
        ValueError: a cell does not hold what its title says.
    """
    asked: dict[str, Any] = {}
    for meaning, title, cell in row.further:
        value: Any = None
        if meaning == "stride":
            meaning = f"stride_{_direction(title) or 'width'}"
        if meaning == "sparsity":
            match = _N_OF_M.fullmatch("1:1" if cell == _DENSE else cell)
            if match is None or not int(match[2]):
                raise ValueError(f"{title} must be N:M, not {cell!r}; 1:1 is for dense weights")
            value = (1, 1) if int(match[1]) == int(match[2]) else (int(match[1]), int(match[2]))
        elif meaning:
            value = whole(title, cell, least=meaning != "padding")
        if asked.setdefault(meaning, value) != value:
            raise ValueError(f"{title} is {cell}, and another column says otherwise")
    asked.pop("", None)
    return Further(**asked)


def _split(lines: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    """Line number and cells of the lines that are not empty."""
    mark = _separator(lines)
    for number, line in enumerate(lines, 1):
        if line.strip(" \t,;"):
            try:
                cells = next(csv.reader([line], delimiter=mark, skipinitialspace=True))
            except csv.Error as error:
                raise ValueError(f"line {number}: {error}") from None
            yield number, [_bare(cell) for cell in cells]


def _separator(lines: Sequence[str]) -> str:
    """The mark between cells: the one that sets most numbers apart, since tabs may also be spacing."""

    def numbers_and_marks(mark: str) -> tuple[int, int]:
        cells = [_bare(cell) for line in lines for cell in line.split(mark)]
        return sum(map(_is_number, cells)), len(cells)

    return max(",;\t", key=numbers_and_marks)


def _bare(cell: str) -> str:
    """A cell without spacing, and without single quotes or double ones that spacing hid."""
    cell = cell.strip()
    return cell[1:-1].strip() if len(cell) > 1 and cell[0] == cell[-1] and cell[0] in "\"'" else cell


def _is_heading(cells: list[str]) -> bool:
    """Whether a line is a name alone, or a comment: no titles, and no number behind the first comma."""
    comment = cells[0].startswith(_COMMENT) and not any(map(_is_number, cells[1:]))
    return not any(cells[1:]) or (comment and _titled(cells) is None)


def _format(number: int, titles: list[str], first: list[str]) -> Format:
    """The format of a file, from its titles, or from how many numbers stand in its first row."""
    if titles:
        format_ = _titled(titles)
        if format_:
            return format_
    else:
        numbers = [_is_number(cell) for cell in first[1:8]]
        if len(numbers) == 7 and all(numbers):
            return "conv"
        if len(numbers) > 2 and all(numbers[:3]) and not any(numbers[3:]):
            return "gemm"
    raise ValueError(f"line {number}: {_EXPECTED}")


def _titled(titles: list[str]) -> Format | None:
    """The format whose titles these are, if of any."""
    meant = {
        format_: [_meaning(title, spellings) for title in titles[1 : len(COLUMNS[format_])]]
        for format_, spellings in _SPELLINGS.items()
    }
    if len(meant["gemm"]) == 3 and all(meant["gemm"]):
        return "gemm"
    return "conv" if len(meant["conv"]) == 7 and any(meant["conv"]) else None


def _check_titles(number: int, titles: list[str], format_: Format) -> Iterator[str]:
    """What titles say that is not what SCALE-Sim reads in their place.

    Raises:
        ValueError: they name every column, in another order.
    """
    columns = COLUMNS[format_][1:]
    meant = [_meaning(title, _SPELLINGS[format_]) for title in titles[1 : len(columns) + 1]]
    if set(meant) == set(columns) and tuple(meant) != columns:
        raise ValueError(
            f"line {number}: the titles are those of a topology in another order, and SCALE-Sim reads by "
            f"position: put the columns in the order {', '.join(columns)}"
        )
    for place, (title, column, says) in enumerate(zip(titles[1:], columns, meant, strict=False), 2):
        if says != column:
            yield f"column {place} is titled {title!r} and read by its position, as {column}"


def _row(number: int, cells: list[str], titles: list[str], format_: Format) -> Row:
    width = len(COLUMNS[format_])
    sizes = (*cells[1:width], *("",) * (width - len(cells)))
    further = []
    for place, cell in enumerate(cells[width:], width):
        title = titles[place] if place < len(titles) else ""
        meaning = _meaning(title, _FURTHER) or ("sparsity" if _N_OF_M.fullmatch(cell) else "")
        if cell:
            further.append((meaning, title or f"column {place + 1} (without a title)", cell))
    return Row(number, cells[0], sizes, tuple(_written_by_scalesim(further, titles)))


def _written_by_scalesim(
    further: list[tuple[str, str, str]], titles: list[str]
) -> Iterator[tuple[str, str, str]]:
    """SCALE-Sim's own writer puts N and M behind both strides, in two cells without titles."""
    both = [_direction(title) for title in titles[7:9]] == ["height", "width"]
    if both and [bool(meaning) for meaning, *_ in further] == [True, False, False] and not any(titles[9:]):
        (_, first, n), (_, _, m) = further[1:]
        further = [further[0], ("sparsity", first, f"{n}:{m}")]
    yield from further


def _unread(rows: list[Row]) -> Iterator[str]:
    """The columns that have cells of no known meaning."""
    columns: dict[str, dict[str, None]] = {}
    for row in rows:
        for meaning, title, cell in row.further:
            if not meaning:
                columns.setdefault(title, {})[cell] = None
    for title, cells in columns.items():
        shown = ", ".join(map(repr, list(cells)[:_SHOWN])) + (", ..." if len(cells) > _SHOWN else "")
        yield f"{title} is not read: {shown}"


def _told_of_cells(rows: list[Row]) -> Iterator[str]:
    """What is read in one of two ways that it could be meant in."""
    dense = [
        row.name for row in rows for what, _, cell in row.further if (what, cell) == ("sparsity", _DENSE)
    ]
    if dense:
        yield f"a sparsity of {_DENSE} is read as 1:1, dense weights: {some(dense)}"
    comments = [row.name for row in rows if row.name.startswith(_COMMENT)]
    if comments:
        yield f"a topology has no comments, so that these are layers: {some(comments)}"


def _meaning(title: str, spellings: dict[str, str]) -> str | None:
    """What a title means by its letters, with or without what stands in brackets (a unit)."""
    for said in (title, re.sub(r"\(.*?\)|\[.*?\]", "", title)):
        letters = re.sub(r"[^a-z]", "", said.lower())
        for name, spelling in spellings.items():
            if re.fullmatch(spelling, letters):
                return name
    return None


def _direction(title: str) -> str:
    """The direction that a stride is said to be of."""
    rest = re.sub(r"strides?", "", re.sub(r"[^a-z]", "", title.lower()))
    if re.fullmatch(r"w|width|x|col(umn)?s?|horizontal", rest):
        return "width"
    return "height" if re.fullmatch(r"h|height|y|rows?|vertical", rest) else ""


def _is_number(cell: str) -> bool:
    return cell.isascii() and cell.isdigit()
