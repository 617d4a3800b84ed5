"""ASEG as its definition says it, on strings of '0' and '1': slow, short, sharing no code with aseg.py."""

from __future__ import annotations

# Bits of the code of level 0, 1 ... 9; for each table a line for every state; `-`: no code.
LENGTHS = [
    [
        "-532224677",
        "2643225788",
        "2533234677",
        "2643225788",
        "3764125899",
        "4865213799",
        "4765421488",
        "5876532158",
        "5887644214",
    ],
    [
        "-653124788",
        "1544334677",
        "1643335788",
        "1653334788",
        "1764235899",
        "1765324899",
        "2765322488",
        "2875432268",
        "2886543227",
    ],
]


def canonical(lengths: str) -> dict[int, str]:
    """Code of each level: codes are counted up, shorter ones first, equally long ones by level."""
    codes, code, width = {}, 0, 0
    for length, level in sorted((int(n), level) for level, n in enumerate(lengths) if n != "-"):
        code, width = code << (length - width), length
        codes[level] = f"{code:0{width}b}"
        code += 1
    return codes


TABLES = [[canonical(lengths) for lengths in table] for table in LENGTHS]


def binary(number: int, width: int) -> str:
    """A number in ``width`` digits, 0 or more."""
    return f"{number:0{width}b}" if width else ""


def level_of(value: int, k: int) -> int:
    """5 for k + 1 binary digits."""
    digits = len(f"{value:b}")
    return 0 if value == 0 else min(9, max(1, 5 + digits - (k + 1)))


def run_length(n: int, r: int) -> str:
    """EG_r(n - 1)."""
    digits = f"{n - 1 + 2**r:b}"
    return "0" * (len(digits) - 1 - r) + digits


def body(values: list[int], table: int, k: int, r: int, bits: int) -> str:
    """A segment without its header."""
    out, state, at = "", 1, 0
    while at < len(values):
        if values[at] == 0:
            n = 1
            while values[at + n : at + n + 1] == [0]:
                n += 1
            out += TABLES[table][state][0] + run_length(n, r)
            at, state = at + n, 0
            continue
        level = level_of(values[at], k)
        out += TABLES[table][state][level]
        if level == 1:
            out += binary(values[at], k - 3)
        elif level == 9:
            out += binary(values[at], bits)
        else:
            out += f"{values[at]:b}"[1:]
        at, state = at + 1, min(level, 8)
    return out


def encode(values: list[int], order: int, bits: int, segment: int) -> str:
    """The shortest form of every segment; of equals the one without orders, then the lowest table, k, r."""
    out = ""
    for start in range(0, len(values), segment):
        part = values[start : start + segment]
        forms = ["1" + body(part, 0, order, 1, bits)]
        forms += [
            "0" + binary(table, 1) + binary(k, 4) + binary(r, 2) + body(part, table, k, r, bits)
            for table in range(2)
            for k in range(16)
            for r in range(4)
        ]
        out += min(forms, key=len)
    return out


def decode(stream: str, count: int, order: int, bits: int, segment: int) -> list[int]:
    """The values; reads the stream from left to right, one digit after the other.

    Raises:
        ValueError: the string ends before.
    """
    at = 0

    def take(n: int) -> str:
        nonlocal at
        if at + n > len(stream):
            raise ValueError(f"the stream ends before {at + n}")
        at += n
        return stream[at - n : at]

    values: list[int] = []
    while len(values) < count:
        stop = min(len(values) + segment, count)
        table, k, r = 0, order, 1
        if take(1) == "0":
            table, k, r = int(take(1)), int(take(4), 2), int(take(2), 2)
        state = 1
        while len(values) < stop:
            levels = {code: level for level, code in TABLES[table][state].items()}
            code = take(1)
            while code not in levels:
                code += take(1)
            level = levels[code]
            if level == 0:
                zeros = 0
                while take(1) == "0":
                    zeros += 1
                values += [0] * (int("1" + take(zeros + r), 2) - 2**r + 1)
            elif level == 1:
                values.append(int(take(k - 3), 2))
            elif level == 9:
                values.append(int(take(bits), 2))
            else:
                values.append(int("1" + take(k + level - 5), 2))
            state = min(level, 8)
    return values
