"""Draw docs/images/imports.svg: which part of hwsim imports which, lower parts first.

    python docs/pictures/imports.py

A part is a folder or a module at the top of a package; a module with a suffix belongs to the one without
(``verify_layers`` to ``verify``). Imports that only types need do not count. What follows from others is not
drawn: where ``cli`` imports ``report`` and that imports ``machine``, there is no line from ``cli`` to
``machine``.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = {"hwsim": ROOT / "hwsim", "hwsim_rtl": ROOT / "rtl" / "hwsim_rtl"}
PICTURE = ROOT / "docs" / "images" / "imports.svg"
WIDTH, HEIGHT, LEFT = 104, 54, 12  # pixels of a place in a row, from row to row, of the margin
BOX = (92, 24)
Imports = dict[str, set[str]]


def imports() -> Imports:
    """Of every part, the others that it imports; hwsim_rtl is one part."""
    found: Imports = {}
    for package, folder in PACKAGES.items():
        for file in folder.rglob("*.py"):
            module = ".".join((package, *file.relative_to(folder).with_suffix("").parts))
            own = part(module.removesuffix(".__init__"))
            named = map(part, modules(ast.parse(file.read_text(encoding="utf-8"))))
            found.setdefault(own, set()).update(name for name in named if name != own)
    return found


def part(module: str) -> str:
    """The part that a module belongs to."""
    package, *rest = module.split(".")
    return rest[0].split("_")[0] if package == "hwsim" and rest else package


def modules(tree: ast.Module) -> Iterator[str]:
    """Modules of ours that a file imports, anywhere in it, but for types alone."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            continue
        waiting += ast.iter_child_nodes(node)
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [each.name for each in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module == "hwsim":
            names = [f"hwsim.{each.name}" for each in node.names if not each.name.startswith("_")]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
        yield from (name for name in names if name.split(".")[0] in PACKAGES)


def levels(found: Mapping[str, set[str]]) -> dict[str, int]:
    """How far above those that import nothing each part is.

    Raises:
        ValueError: parts import each other in a circle.
    """
    level: dict[str, int] = {}
    while len(level) < len(found):
        ready = [name for name in found if name not in level and found[name] <= level.keys()]
        if not ready:
            raise ValueError(f"a circle of imports among {sorted(found.keys() - level.keys())}")
        level |= {name: 1 + max((level[other] for other in found[name]), default=-1) for name in ready}
    return level


def drawn(found: Mapping[str, set[str]]) -> Iterator[tuple[str, str]]:
    """(part, what it imports), without what follows from others."""
    order = levels(found)
    below: dict[str, set[str]] = {}
    for name in sorted(found, key=order.__getitem__):
        below[name] = set(found[name]).union(*(below[other] for other in found[name]))
        implied = set[str]().union(*(below[other] for other in found[name]))
        yield from ((name, other) for other in sorted(found[name] - implied))


def svg(found: Mapping[str, set[str]]) -> str:
    """The picture: a row a level, the highest on top."""
    order = levels(found)
    rows = [sorted(n for n in found if order[n] == level) for level in range(max(order.values()) + 1)]
    widest = max(map(len, rows))
    places = {
        name: (LEFT + WIDTH * (at + (widest - len(row)) / 2), LEFT + HEIGHT * (len(rows) - 1 - order[name]))
        for row in rows
        for at, name in enumerate(row)
    }
    size = (2 * LEFT + WIDTH * widest, LEFT + HEIGHT * len(rows))
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{size[0]}" height="{size[1]}" font-size="13" '
        'font-family="sans-serif" text-anchor="middle">',
        "<title>Which part of hwsim imports which; what follows from other lines is not drawn</title>",
        f'<rect width="{size[0]}" height="{size[1]}" fill="white"/>',
    ]
    for name, other in drawn(found):
        (x, y), (to_x, to_y) = places[name], places[other]
        lines.append(
            f'<line x1="{x + BOX[0] / 2:g}" y1="{y + BOX[1]:g}" x2="{to_x + BOX[0] / 2:g}" y2="{to_y:g}" '
            'stroke="#999"/>'
        )
    for name, (x, y) in places.items():
        lines += [
            f'<rect x="{x:g}" y="{y:g}" width="{BOX[0]}" height="{BOX[1]}" fill="#eef3fa" stroke="#456"/>',
            f'<text x="{x + BOX[0] / 2:g}" y="{y + 17:g}">{name}</text>',
        ]
    return "\n".join([*lines, "</svg>\n"])


if __name__ == "__main__":
    PICTURE.write_text(svg(imports()), encoding="utf-8")
