"""Pages: whole in themselves, true to the numbers, and safe whatever a trace is called."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from hwsim.arch import Arch
from hwsim.report.bounds import BOUND_COLUMNS
from hwsim.report.comparison import Comparison
from hwsim.report.comparison_page import comparison_page
from hwsim.report.report_page import report_page
from hwsim.report.tables import LAYER_COLUMNS
from hwsim.report.text import TIMES
from hwsim.report.traffic import LAYER_TRAFFIC_COLUMNS
from hwsim.report.waterfall import WATERFALL_COLUMNS
from hwsim.report.write import draw_comparison, draw_report

VOID = {"meta", "br", "img", "link", "input", "hr"}
LOADS = {"src", "href", "xlink:href", "srcset", "data", "action", "poster", "background"}


class Page(HTMLParser):
    """A parsed page: its tags, attributes, texts by tag, and whether every tag is closed in its turn."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.cells: list[tuple[str | None, str]] = []
        self.text: list[tuple[str, str]] = []
        self._open: list[str] = []
        self.feed(document)
        self.close()
        assert not self._open, f"never closed: {self._open}"

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += attributes
        if tag not in VOID:
            self._open.append(tag)
        if tag == "td":
            self.cells.append((dict(attributes)["data-value"], ""))

    def handle_startendtag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += attributes

    def handle_endtag(self, tag):
        assert self._open.pop() == tag, f"</{tag}> closes another"

    def handle_data(self, data):
        self.text.append(data)
        if "td" in self._open:
            value, shown = self.cells[-1]
            self.cells[-1] = (value, shown + data)


@pytest.fixture(scope="module")
def page(report) -> Page:
    return Page(report_page(report, draw_report(report)))


@pytest.fixture(scope="module")
def comparison(report, synthetic) -> Comparison:
    dense = replace(report.result, variant="baseline", arch=Arch(cores=4, columns=8, clock_mhz=500))
    return Comparison(dense, report.result, {"accuracy": 0.5}, {"accuracy": 0.75})


def test_a_page_loads_nothing(page, comparison):
    for parsed in (page, Page(comparison_page(comparison, draw_comparison(comparison)))):
        assert not any(name in LOADS and not value.startswith("#") for name, value in parsed.attributes)
        style = "".join(parsed.text)
        assert not re.search(r"@import|url\((?!#)|https?://|fetch\(|XMLHttpRequest", style)
        assert not {"link", "iframe", "object", "embed", "img"} & set(parsed.tags)


def test_ids_are_unique_and_references_meet_one(page):
    ids = [value for name, value in page.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    wanted = {value[1:] for name, value in page.attributes if name.endswith("href")}
    wanted |= {match for _, value in page.attributes for match in re.findall(r"url\(#([^)]+)\)", value or "")}
    assert wanted
    assert wanted <= set(ids)


@pytest.mark.parametrize("number", [0, 1, 2])
def test_the_tables_hold_the_numbers_of_the_account(page, report, number):
    columns = (LAYER_COLUMNS, LAYER_TRAFFIC_COLUMNS, BOUND_COLUMNS)[number]
    for row in (*report.result.per_layer(), report.result.overall()):
        starts = [at for at, cell in enumerate(page.cells) if cell == (row["layer"], row["layer"])]
        for column, cell in zip(columns, page.cells[starts[number] :], strict=False):
            value = row[column.key]
            missing = ("-Infinity", "-") if column.numeric else ("", "")
            assert cell == (missing if value is None else (str(value), column.show(value)))


def test_the_waterfall_table_holds_the_numbers_of_report_json(page, report):
    document = report.to_dict()["waterfall"]
    (start,) = [
        n for n, (value, _) in enumerate(page.cells)
        if value == "first" and page.cells[n + 3][0] == str(document["per_layer"][0]["zeros"])
    ]  # fmt: skip
    values = [value for value, _ in page.cells[start:]]
    for row in (*document["per_layer"], document["total"]):
        for column in WATERFALL_COLUMNS:
            assert values.pop(0) == str(row[column.key])


def test_the_headline_is_speedup_cycles_and_accuracy(page):
    words = " ".join(page.text)
    for shown in ("1.56×", "98.76 %", "4 cores × 8 multipliers"):  # noqa: RUF001
        assert shown in words


def test_sentences_and_tiles_of_a_page_by_hand(page):
    # Two images: 321 cycles of 4 cores, dense 501; 957 of 1284 core-cycles multiply, 190 wait for weights.
    words = "".join(page.text)
    assert (
        f"an image takes 160 cycles: a speedup of 1.56{TIMES} over the dense baseline, which performs "
        f"3.08{TIMES} the multiplications. Multiplying takes 74.5 % of the core-cycles; the largest stall is "
        "weights (14.8 %)."
    ) in words
    for title, shown, note in (
        ("Speedup", f"1.56{TIMES}", f"over dense; MAC ratio 3.08{TIMES}; busy 12.7 %"),
        ("Time / image", "201 ns", "160 cycles; dense: 250"),  # 160.5 at 800 MHz
        ("Maps over DRAM / image", "176 B", "dense: 266 B; 33.8 % less"),
        ("All DRAM, with weights / image", "304 B", "dense: 394 B; 22.8 % less"),
        (
            "Energy / image",
            "4.49 nJ",
            f"dense: 7.01 nJ (1.56{TIMES}); estimate in registers: 800 pJ (0.18{TIMES})",
        ),
        ("Density", "32.5 %", "of the maps' elements, each once, are not zero"),
        # Raw and stored: 6400 bits and 2640.
        ("Compression", f"2.42{TIMES}", "of the maps as stored, against raw 16-bit words"),
    ):
        at = page.text.index(title)
        assert "".join(page.text[at : at + 3]) == title + shown + note


def test_sentences_and_tiles_of_a_comparison_by_hand(report):
    half = replace(report.result, variant="half", images=(0,), layers=report.result.layers[:1])
    page = Page(comparison_page(Comparison(half, report.result), []))
    words = "".join(page.text)
    # 100 cycles of one layer and 160.5 of two.
    assert re.search(
        r"sparse \([^)]*\) takes 160 cycles an image, half \([^)]*\) 100: sparse runs at 0\.62", words
    )
    for title, shown, note in (
        ("sparse over half", f"0.62{TIMES}", "160 cycles against 100"),
        ("Speedup over dense", f"1.56{TIMES}", f"half: 2.00{TIMES}"),
        ("Maps over DRAM / image", "176 B", "half: 108 B"),
        ("All DRAM, with weights / image", "304 B", "half: 172 B"),
        ("Energy / image", "4.49 nJ", "half: 2.80 nJ"),
        ("Density", "32.5 %", "half: 50.0 %"),
    ):
        at = page.text.index(title)
        assert "".join(page.text[at : at + 3]) == title + shown + note


def test_a_page_tells_machine_provenance_and_words(page):
    words = " ".join(page.text)
    for shown in (
        "bytes_per_cycle",
        "drawn by hand",
        "folder/little.zarr.zip",
        "dense baseline",
        "raw 16-bit words",
    ):
        assert shown in words


def test_markup_in_a_trace_stays_text(hostile, markup):
    document = report_page(hostile, draw_report(hostile))
    page = Page(document)
    assert page.tags.count("script") == 1
    assert not any(name.startswith("on") for name, _ in page.attributes)
    printable = "".join(c if c.isprintable() else "\ufffd" for c in markup)
    assert printable in "".join(page.text)
    assert document.encode("utf-8").decode("utf-8") == document
    assert not re.search(r"[\x00-\x08\x0b-\x1f]", document)


def test_markup_in_a_comparison_stays_text(hostile, report):
    comparison = Comparison(hostile.result, report.result)
    page = Page(comparison_page(comparison, draw_comparison(comparison)))
    assert page.tags.count("script") == 1


def test_a_synthetic_trace_is_labelled_in_header_tables_and_plots(synthetic, page):
    made_up = "Synthetic trace: generated values, not measured ones."
    shown = Page(report_page(synthetic, draw_report(synthetic))).text
    tables, plots = 6, 8
    assert sum(made_up in words for words in shown) == 1 + tables + plots
    assert not any(made_up in words for words in page.text)


def test_plots_take_the_colours_of_the_page(report):
    document = report_page(report, draw_report(report))
    figures = "".join(re.findall(r"<figure.*?</figure>", document, re.DOTALL))
    assert "var(--ink)" in figures
    assert not re.search("#1b1b1f|#fefefe|#d9dce1|#5c6068", figures)
    assert "prefers-color-scheme: dark" in document


def test_ninety_five_layers_have_a_row_each(many):
    page = Page(report_page(many, []))
    assert sum(value.startswith("block7.") for value, _ in page.cells) == 5  # tables
    assert "tall" in " ".join(value for name, value in page.attributes if name == "class")


def test_a_comparison_names_what_differs(comparison):
    assert comparison.names == ("baseline", "sparse")
    same = replace(comparison, a=replace(comparison.a, variant="sparse"))
    assert same.names == ("A", "B")
    assert replace(same, machine_a="big", machine_b="small").names == ("big", "small")
    assert replace(same, a=replace(same.a, title="x/other.zarr.zip")).names == ("other", "little")


def test_a_comparison_takes_ratios_of_averages(report):
    half = replace(report.result, images=(0,), layers=report.result.layers[:1])
    comparison = Comparison(report.result, half)
    (row,) = comparison.rows()
    assert (row["cycles_a"], row["cycles_b"]) == (110, 100)
    assert row["speedup_b_over_a"] == 1.1
    assert row["dram_a_over_b"] == (72 + 110) / (72 + 100)
    assert row["speedup_a"] == 401 / 220
    assert comparison.total()["speedup_b_over_a"] == (321 / 2) / 100
    assert comparison.unmatched() == ["second"]
