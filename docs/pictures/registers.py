"""The tables of docs/registers.md, from the registers' definition: python docs/pictures/registers.py."""

from pathlib import Path

from hwsim.driver.describe import error_table, register_table

PAGE = Path(__file__).parents[1] / "registers.md"
BEGIN, END = "<!-- docs/pictures/registers.py: {} -->\n", "<!-- end of registers.py -->"
TABLES = {"registers": register_table, "errors": error_table}


def filled(page: str) -> str:
    """The page with both tables as they are now."""
    for name, table in TABLES.items():
        before, _, rest = page.partition(BEGIN.format(name))
        _, _, after = rest.partition(END)
        page = before + BEGIN.format(name) + table() + END + after
    return page


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
