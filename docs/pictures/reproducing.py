"""Make the tables of docs/reproducing.md and docs/reproducing_tables.md, their document and pictures anew.

python docs/pictures/reproducing.py [--from TABLES.json]

Without arguments, of all that is shipped. With --from, of a document that hwsim reproduce wrote.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from hwsim.reproduce.entry import merged, read_tables, to_json
from hwsim.reproduce.markdown import headline_text, tables_text, with_block
from hwsim.reproduce.plots import layer_plots
from hwsim.reproduce.sources import Wanted, shipped_entries
from hwsim.reproduce.write import made_with

DOCS = Path(__file__).parents[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--from", dest="source", type=Path, help="a tables.json, instead of what is shipped")
    source = parser.parse_args().source
    entries = read_tables(source).entries if source else merged(shipped_entries(Wanted(say=print)))
    for name, made in (("reproducing.md", headline_text), ("reproducing_tables.md", tables_text)):
        page = DOCS / name
        page.write_text(with_block(page.read_text(encoding="utf-8"), made(entries)), encoding="utf-8")
    (DOCS / "reproducing.json").write_text(to_json(entries, made_with()), encoding="utf-8")
    for plot in layer_plots(entries):
        (DOCS / "images" / f"{plot.name}.png").write_bytes(plot.png)


if __name__ == "__main__":
    main()
