"""Reads a memory image by what docs/image.md says: this file imports nothing of hwsim, and must not."""

from __future__ import annotations

import re
import struct
import zlib
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "image.md"
BEAT = 32
ROW = re.compile(r"^\| *(\d+)(?:-(\d+))? \|(?: *(\d+) \|)? `(\w+)` \|", re.MULTILINE)


def tables() -> list[dict[str, tuple[int, int]]]:
    """The page's four tables: by field, where it begins and how long it is; bytes, then bits."""
    found: list[dict[str, tuple[int, int]]] = []
    for first, last, size, name in ROW.findall(PAGE.read_text(encoding="utf-8")):
        if first == "0":
            found.append({})
        length = int(size) if size else int(last or first) - int(first) + 1
        found[-1][name] = (int(first), length)
    header, one_pass, descriptor, pool = found
    return [header, one_pass, descriptor, pool]


def bits(data: bytes, table: dict[str, tuple[int, int]]) -> dict[str, int]:
    """Fields of a number."""
    number = int.from_bytes(data, "little")
    return {name: number >> at & (1 << length) - 1 for name, (at, length) in table.items()}


class Parsed:
    """An image, read: ``header``, ``memory``, and of each layer ``descriptor``, ``passes`` and ``masks``;
    of each its pool, if that has a word; ``clamps`` by the number of the layer, of those that have some."""

    def __init__(self, data: bytes) -> None:
        header, one_pass, descriptor, pool = tables()
        self.header = {
            name: int.from_bytes(data[at : at + size], "little")
            for name, (at, size) in header.items()
            if name not in ("magic", "trace")
        }
        assert data[:8] == b"HWSIMIMG"
        assert self.header["crc32"] == zlib.crc32(data[16:])
        assert self.header["file_bytes"] == len(data)
        self.trace = data[32:64].hex()
        self.memory = data[192:]
        at, end = self.header["program_at"], self.header["program_at"] + self.header["program_bytes"]
        self.layers: list[tuple[dict[str, int], list[dict[str, int]], list[list[int]]]] = []
        self.pools: list[dict[str, int]] = []
        self.clamps: dict[int, tuple[int, ...]] = {}
        for _ in range(self.header["layers"]):
            layer = bits(self.memory[at : at + 64], descriptor)
            first = at + 64
            if layer["clamped"]:
                number = int.from_bytes(self.memory[first : first + 8], "little")
                ends = [number >> at & 0x1FFFF for at in (0, 17)]
                assert number >> 34 == 0
                self.clamps[len(self.layers)] = tuple(end - (end >> 16 << 17) for end in ends)
                first += 8
            behind = first + 8 * layer["row_groups"] * layer["units"]
            passes = [bits(self.memory[p : p + 8], one_pass) for p in range(first, behind, 8)]
            size = -(-layer["out_height"] // 8)
            masks = []
            for group in range(layer["row_groups"]):
                mask = self.memory[behind + group * size : behind + (group + 1) * size]
                masks.append([r for r in range(8 * size) if mask[r // 8] >> r % 8 & 1])
            self.layers.append((layer, passes, masks))
            at = -(-(behind + size * layer["row_groups"] + 8 * layer["pool_word"]) // BEAT) * BEAT
            self.pools.append(bits(self.memory[at - 8 : at], pool) if layer["pool_word"] else {})
        assert at == end

    def unit(self, number: int, unit: int, channels: int, weights: int) -> tuple[list, list[int]]:
        """Scales, (bias, multiplier) of each channel, and so many weights of a unit of a layer."""
        layer = self.layers[number][0]
        at = (layer["weights_at"] + unit * layer["weights_stride"]) * BEAT
        scales = [struct.unpack_from("<iH", self.memory, at + 6 * channel) for channel in range(channels)]
        at += -(-6 * channels // BEAT) * BEAT
        wide = self.header["weight_bits"]
        data = self.memory[at : at + -(-weights * wide // 8)]
        stream, found = int.from_bytes(data, "little"), []
        text = f"{stream:0{weights * wide}b}"[::-1]
        for first in range(0, weights * wide, wide):
            value = int(text[first : first + wide][::-1], 2)
            found.append(value - (value >> wide - 1 << wide))
        return scales, found

    def input_map(self) -> list[list[list[int]]]:
        """Codes of the input map, by channel, row, column, decoded bit by bit."""
        head, layer = self.header, self.layers[0][0]
        channels, block = head["map_channels"], head["map_block"]
        rows, width = layer["height"], layer["width"]
        values = [[[0] * width for _ in range(rows)] for _ in range(channels)]
        for y in range(rows):
            for segment in range(layer["map_segments"]):
                entry = head["index_at"] + 4 * (y * layer["map_segments"] + segment)
                length, nonzeros = struct.unpack_from("<HH", self.memory, entry)
                words = length & 0x7FFF
                at = head["map_at"] + y * head["map_row"] + segment * head["map_place"]
                text = "".join(f"{byte:08b}" for byte in self.memory[at : at + 8 * words])
                mine = range(segment * block, min(channels, (segment + 1) * block))
                count = len(mine) * width
                if length >> 15:
                    bits, end = layer["in_bits"], layer["in_bits"] * count
                    codes = [int(text[at : at + bits], 2) for at in range(0, end, bits)]
                else:
                    codes, end = seg(text, layer["in_order"], count)
                assert len(text) - 64 < end <= len(text)
                assert "1" not in text[end:]
                assert sum(code > 0 for code in codes) == nonzeros
                for i, channel in enumerate(mine):
                    values[channel][y] = codes[i * width : (i + 1) * width]
        return values


def seg(text: str, order: int, count: int) -> tuple[list[int], int]:
    """So many values of SEG, by the sentences of docs/codes.md, and the bit behind them."""
    values, at = [], 0
    for _ in range(count):
        value = 0
        if text[at] == "1" and order > 0:
            at += 1
        else:
            at += order > 0
            zeros = text.index("1", at) - at
            length = zeros + 1 + order
            value = int(text[at + zeros : at + zeros + length], 2) - (1 << order) + (order > 0)
            at += zeros + length
        values.append(value)
    return values, at
