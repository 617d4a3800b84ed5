"""What stands in the tables, and how it is stored and shown."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_up_entries import entry, simulated, width

from hwsim import open_trace
from hwsim.errors import ReproduceError
from hwsim.report.text import TIMES
from hwsim.reproduce import paper
from hwsim.reproduce.entry import Answers, merged, read_tables, to_json
from hwsim.reproduce.from_trace import measure_trace
from hwsim.reproduce.markdown import (
    BEGIN,
    END,
    headline_text,
    markdown,
    tables_text,
    with_block,
)
from hwsim.reproduce.tables import FLOAT_BITS, MISSING, all_tables, ratio
from hwsim.trace.shipped import shipped_trace, shipped_traces

DOCS = Path(__file__).parents[2] / "docs"


def table(title, entries):
    found = [one for one in all_tables(entries) if one.title.startswith(title)]
    assert len(found) == 1
    return [dict(zip(found[0].columns, row, strict=True)) for row in found[0].rows]


def times(*factors):
    return [f"{factor:.2f}{TIMES}" for factor in factors]


def test_accuracy_is_right_answers_by_pictures_and_nothing_is_filled_in():
    (row,) = table("Accuracy", [entry(accuracy={"float": (3, 4), "8": (1, 2)})])
    assert (row["floats"], row["8 bits"], row["pictures"]) == ("75.00 %", "50.00 %", "2, 4")
    assert {row[f"{bits} bits"] for bits in (16, 12, 10, 6, 4)} == {MISSING}


def test_without_a_trace_nothing_is_said_of_speed_and_sizes():
    (row,) = table("Density", [entry(accuracy={"float": (3, 4)})])
    assert {
        value for name, value in row.items() if name not in ("network", "data", "variant", "pictures")
    } == {MISSING}
    (row,) = table("Compression of the maps at 8", [entry()])
    assert {value for name, value in row.items() if name not in ("network", "data", "variant")} == {MISSING}


def test_a_trace_of_8_bits_says_nothing_of_more():
    found = simulated()
    narrow = replace(found, maps=tuple(replace(m, widths={"8": m.widths["8"]}) for m in found.maps))
    assert table("Compression of the maps at 16", [entry(found=narrow)])[0]["SEG"] == MISSING
    assert table("Compression of the maps at 8", [entry(found=narrow)])[0]["SEG"] == "4.00 / 16.00"


def test_speedups_are_against_the_dense_machine_and_against_the_baseline_network():
    rows = table(
        "Density",
        [entry(found=simulated()), entry("sparse", found=simulated(nonzero_macs=400, cycles=20, images=4))],
    )
    assert [row["density, elements"] for row in rows] == ["0.250", "0.250"]  # without the picture
    assert [row["density, MACs"] for row in rows] == ["0.500", "0.400"]
    assert [row["MAC ratio"] for row in rows] == times(2.00, 2.50)
    assert [row["simulated"] for row in rows] == times(2.00, 5.00)
    # A picture has 250 and 100 MACs that are not zero, and takes 25 and 5 cycles.
    assert [row["fewer MACs than baseline network"] for row in rows] == times(1.00, 2.50)
    assert [row["fewer cycles than baseline network"] for row in rows] == times(1.00, 5.00)


def test_without_a_baseline_nothing_is_compared_with_it():
    (row,) = table("Density", [entry("sparse", found=simulated())])
    assert row["fewer MACs than baseline network"] == MISSING


def test_networks_on_other_pictures_are_not_compared():
    other = simulated()
    picture = replace(other.maps[0], values=20)
    rows = table(
        "Density",
        [entry(found=simulated()), entry("l1", found=replace(other, maps=(picture, other.maps[1])))],
    )
    assert [row["fewer cycles than baseline network"] for row in rows] == [*times(1), "other pictures"]
    assert rows[1]["simulated"] == rows[0]["simulated"]


def test_every_ratio_has_both_bases_and_leaves_the_picture_out():
    (row,) = table("Compression of the maps at 16", [entry(found=simulated(coded=400))])
    assert row["SEG"] == row["entropy"] == "4.00 / 8.00"  # 1600 and 3200 bits
    assert (row["density"], row["samples"]) == ("0.250", "100, 25")
    (row,) = table("Compression of the maps at 8", [entry(found=simulated(coded=400))])
    assert row["SEG"] == "4.00 / 16.00"  # 800 and 3200 bits of 200
    assert row["density"] == "0.200"


@given(st.sampled_from([16, 12, 8]), st.integers(1, 1000), st.integers(1, 10000))
def test_the_two_bases_differ_by_the_widths_of_their_words(bits, values, coded):
    widths = [width(bits, values, 0, coded)]
    assert ratio(widths, "seg", values) / ratio(widths, "seg") == pytest.approx(FLOAT_BITS / bits)


def test_the_paper_stands_beside_marked_as_the_papers():
    text = markdown([entry()])
    rows = [line for line in text.splitlines() if "(paper)" in line]
    assert len(rows) == len(paper.ROWS) == 2
    assert all(f"up to 1.6{TIMES}" in row and f"up to 6{TIMES}" in row for row in rows)
    assert "not measured here" in text


def test_tables_come_back_from_their_file(tmp_path):
    entries = (
        entry(accuracy={"float": (3, 4)}, found=simulated(), notes=("one.", "two.")),
        entry("sparse"),
    )
    path = tmp_path / "tables.json"
    path.write_text(to_json(entries, {"hwsim": "1"}))
    found = read_tables(path)
    assert found.entries == entries
    assert found.made_with == {"hwsim": "1"}


def damaged(change):
    document = json.loads(to_json([entry(accuracy={"8": (3, 4)}, found=simulated())], {}))
    change(document)
    return json.dumps(document)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is not JSON"),
        ("[]", "holds no tables"),
        ("{}", "holds no tables"),
        (damaged(lambda d: d.update(schema=2)), "schema 2, this version reads 1: upgrade"),
        (damaged(lambda d: d["entries"][0]["accuracy"]["8"].update(correct=5)), "5 right of 4 pictures"),
        (damaged(lambda d: d["entries"][0]["accuracy"]["8"].update(correct="3")), "damaged .*correct"),
        (damaged(lambda d: d["entries"][0].update(more=1)), "damaged .*more"),
        (damaged(lambda d: d["entries"][0]["simulated"].pop("maps")), "damaged .*maps"),
    ],
)
def test_a_damaged_file_of_tables_is_one_clear_line(tmp_path, text, reason):
    path = tmp_path / "tables.json"
    path.write_text(text)
    with pytest.raises(ReproduceError, match=reason) as error:
        read_tables(path)
    assert "\n" not in str(error.value)


def test_a_missing_file_of_tables_is_one_clear_line(tmp_path):
    with pytest.raises(ReproduceError, match="No such file"):
        read_tables(tmp_path / "none.json")


def test_entries_of_the_same_network_complete_each_other():
    trace = entry(accuracy={"float": (1, 2)}, found=simulated(), notes=("a",))
    loop = entry(accuracy={"float": (2, 2), "8": (1, 2)}, notes=("b", "a"))
    other = entry("sparse")
    found = merged([trace, other, loop])
    assert [one.variant for one in found] == ["baseline", "sparse"]
    assert found[0].accuracy == {"float": Answers(2, 2), "8": Answers(1, 2)}  # of the same pictures
    assert found[0].simulated == trace.simulated
    assert found[0].notes == ("a", "b")
    assert merged([loop, trace])[0].simulated == trace.simulated


def test_variants_of_a_network_stand_together():
    far = replace(entry("l1"), network="other")
    found = merged([entry(), far, entry("sparse"), replace(far, variant="baseline")])
    assert [(one.network, one.variant) for one in found] == [
        *(("net", "baseline"), ("net", "sparse")),
        *(("other", "l1"), ("other", "baseline")),
    ]


def test_notes_and_bars_in_names_do_not_break_the_tables():
    text = markdown([entry("a|b", notes=("Said | so.",))])
    assert "a\\|b" in text
    assert "- net, data, a|b: Said | so." in text


def test_the_tables_replace_what_is_between_the_markers_and_nothing_else():
    page = f"# Title\n{BEGIN}\nold\n{END}\nrest {END}\n"
    made = with_block(page, markdown([entry()]))
    assert made == f"# Title\n{BEGIN}\n{markdown([entry()])}{END}\nrest {END}\n"
    assert with_block(made, markdown([entry()])) == made


@pytest.mark.parametrize("page", ["", BEGIN, END, f"{END} {BEGIN}"])
def test_a_page_without_markers_is_refused(page):
    with pytest.raises(ReproduceError, match="the page has no lines"):
        with_block(page, markdown([entry()]))


@pytest.mark.parametrize(
    ("name", "made"), [("reproducing.md", headline_text), ("reproducing_tables.md", tables_text)]
)
def test_the_pages_have_the_tables_of_their_stored_document(name, made):
    page = (DOCS / name).read_text(encoding="utf-8")
    stored = read_tables(DOCS / "reproducing.json")
    assert with_block(page, made(stored.entries)) == page


def test_the_page_is_of_the_traces_that_are_shipped():
    stored = read_tables(DOCS / "reproducing.json").entries
    digests = {row.simulated.digest for row in stored if row.simulated}
    for name, path in shipped_traces().items():
        with open_trace(path) as trace:
            assert trace.digest in digests, f"{name} is not in it: run python docs/pictures/reproducing.py"


def test_figures_of_a_shipped_trace_come_out_again_to_the_last_bit():
    (row,) = [
        row
        for row in read_tables(DOCS / "reproducing.json").entries
        if row.key == ("lenet5", "digits", "sparse")
    ]
    with open_trace(shipped_trace("lenet5_digits/sparse")) as trace:
        assert measure_trace(trace, row.simulated.images) == row.simulated


def test_the_stored_document_is_as_it_is_written():
    stored = read_tables(DOCS / "reproducing.json")
    text = (DOCS / "reproducing.json").read_text(encoding="utf-8")
    assert to_json(stored.entries, stored.made_with) == text
    assert asdict(stored)["entries"]
