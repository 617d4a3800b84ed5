"""Topologies as people write them: any spelling of titles, any mark between cells, nothing passed over."""

import csv
import io
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hwsim.errors import NetworkError
from hwsim.networks.scalesim import read_topology

PLAIN = ["Layer name", "IFMAP Height", "IFMAP Width", "Filter Height", "Filter Width", "Channels"]
PLAIN += ["Num Filter", "Strides"]
SPELLINGS = [
    ["Layer name", "Layer", "Name", "", "layer_name"],
    ["IFMAP Height", "Ifmap height", "ifmap_h", "Input Height", "IFMAP Width", "H", "IH"],
    ["IFMAP Width", "ifmap width", "ifmap-w", "InputWidth", "W", "Input cols"],
    ["Filter Height", "filter height", "Kernel Height", "filter_h", "FH", "R"],
    ["Filter Width", "Filt Width", "kernel_w", "Kw", "S"],
    ["Channels", "channel", "Num Channels", "C", "Input channels"],
    ["Num Filter", "num filters", "Filters", "No. of filters", "M", "Output channels"],
    ["Strides", "stride", "Stride", "STRIDES"],
]
NEUTRAL = {  # title of a further column: cells that change nothing
    "Batch Size": ["1", ""],
    "batch": ["1"],
    "Sparsity": ["1:1", "4:4", "2 : 2", ""],
    "Weight sparsity (N:M)": ["1:1"],
    "Dilation": ["1", ""],
    "Groups": ["1"],
    "Padding": ["0", ""],
    "Stride W": ["3"],
    "Stride width": ["3", ""],
}
REFUSED = {  # title, cell, and what the line must say
    "batch": ("Batch Size", "8", "a batch of 8 is not modelled"),
    "batch, shortly": ("batch", "2", "a batch of 2 is not modelled"),
    "sparse weights": ("Sparsity", "2:4", "weight sparsity 2:4 is not modelled"),
    "sparse weights, with room": ("SparsityRatio", "2 : 4", "weight sparsity 2:4 is not modelled"),
    "sparse weights without a title": ("", "1:4", "weight sparsity 1:4 is not modelled"),
    "sparse weights under another title": ("Comment", "1 :4", "weight sparsity 1:4 is not modelled"),
    "no such sparsity": ("Sparsity", "0.5", "Sparsity must be N:M, not '0.5'"),
    "a sparsity of none": ("Sparsity", "0:0", "Sparsity must be N:M, not '0:0'"),
    "stride that is none": ("stride_w", "two", "stride_w must be a whole number above 0, not 'two'"),
    "padding": ("Padding", "1", "padding 1: a map's size in a topology includes its padding"),
}


def written(rows: list[list[str]], mark: str = ",", quote: Any = csv.QUOTE_MINIMAL, end: str = "") -> str:
    text = io.StringIO()
    csv.writer(text, delimiter=mark, quoting=quote, lineterminator=f"{end}\n").writerows(rows)
    return text.getvalue()


def read(tmp_path, text):
    (tmp_path / "net.csv").write_text(text, encoding="utf-8")
    return read_topology(tmp_path / "net.csv")


def refusal(tmp_path, text):
    with pytest.raises(NetworkError) as error:
        read(tmp_path, text)
    message = str(error.value)
    assert message.isprintable()
    return message.removeprefix(f"{tmp_path / 'net.csv'}, ")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(
    data=st.data(), mark=st.sampled_from(",;\t"), quote=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
)
def test_spellings_marks_quotes_and_neutral_columns_in_any_order_change_nothing(tmp_path, data, mark, quote):
    sizes = [["a", *"9955", "2", "4", "3"], ["b,c" if mark != "," or quote else "d", *"8833", "4", "1", "3"]]
    plain = read(tmp_path, written([PLAIN, *sizes], quote=csv.QUOTE_ALL))
    assert plain.notes == ()
    titled = data.draw(st.booleans())
    titles = [data.draw(st.sampled_from(spelled)) for spelled in SPELLINGS] if titled else []
    further = data.draw(st.lists(st.sampled_from(list(NEUTRAL)), unique=True)) if titled else []
    rows = [[*row, *(data.draw(st.sampled_from(NEUTRAL[title])) for title in further)] for row in sizes]
    rows = [[*titles, *further], *rows] if titled else rows
    end = data.draw(st.sampled_from(["", mark, f"{mark} "]))
    text = written(rows, mark, quote, end)
    network = read(tmp_path, text)
    assert network.layers == plain.layers
    misplaced = "IFMAP Width" in titles[1:2]
    assert len(network.notes) == misplaced
    if misplaced:
        assert network.notes == (
            "column 2 is titled 'IFMAP Width' and read by its position, as IFMAP Height",
        )


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.parametrize("place", [8, 9, 10])
def test_what_changes_a_layer_and_is_not_modelled_is_refused_by_name(tmp_path, case, place):
    title, cell, told = REFUSED[case]
    titles, row = [*PLAIN, "Clock", "Target"], ["a", *"9955", "2", "4", "3", "1", "NPU"]
    titles.insert(place, title)
    row.insert(place, cell)
    assert refusal(tmp_path, written([titles, row])).startswith(f"line 2: {told}")


@pytest.mark.parametrize(
    ("title", "first", "second"),
    [("Batch", "1", "8"), ("Batch", "8", "1"), ("Sparsity", "1:1", "2:4"), ("Stride W", "2", "3")],
)
def test_two_columns_of_one_meaning_must_agree(tmp_path, title, first, second):
    rows = [[*PLAIN, title, title], ["a", *"9955", "2", "4", "3", first, second]]
    assert (
        refusal(tmp_path, written(rows)) == f"line 2: {title} is {second}, and another column says otherwise"
    )
    strides = [*PLAIN[:7], "Stride height", "Stride H"]
    assert "two strides in height" in refusal(
        tmp_path, written([strides, ["a", *"9955", "2", "4", "3", "2"]])
    )


def test_a_second_stride_groups_and_dilation_are_done(tmp_path):
    titles = [*PLAIN, "Stride W", "Groups", "Dilation"]
    rows = [
        ["a", 9, 9, 3, 3, 2, 4, 1, 2, 1, 1],
        ["b", 9, 9, 3, 3, 4, 6, 2, "", 2, 1],
        ["c", 9, 9, 3, 3, 2, 4, 1, "", "", 3],
        ["d_DP", 9, 9, 3, 3, 2, 3, 1, 1, 1, 1],
        ["e_DP", 9, 9, 3, 3, 2, 1, 1, 1, 2, 1],
        ["f", 1, 1, 1, 1, 4, 6, 1, 1, 2, 1],
    ]
    a, b, c, d, e, f = read(tmp_path, written([titles, *rows])).layers
    assert (a.stride, a.out_shape) == ((1, 2), (4, 7, 4))
    assert (b.stride, b.groups, b.out_shape, b.weight_shape) == ((2, 2), 2, (6, 4, 4), (6, 2, 3, 3))
    assert (c.dilation, c.out_shape) == ((3, 3), (4, 3, 3))
    assert (d.kind, d.groups, d.out_shape, d.weight_shape) == ("conv", 2, (6, 7, 7), (6, 1, 3, 3))
    assert (e.kind, e.out_shape) == ("depthwise", (2, 7, 7))
    assert (f.kind, f.groups, f.macs) == ("conv", 2, 12)
    turned = [*PLAIN[:7], "Stride width", "Stride height"]
    assert read(tmp_path, written([turned, ["a", *"9933", "2", "4", "1", "2"]])).layers[0].stride == (2, 1)
    for cells, told in (
        (["Groups", "3"], "3 groups do not divide its channels"),
        (["Dilation", "5"], "the filter of 11x11 is larger than the map of 9x9"),
    ):
        rows = [[*PLAIN, cells[0]], ["a", 9, 9, 3, 3, 2, 4, 1, cells[1]]]
        assert told in refusal(tmp_path, written(rows))


@pytest.mark.parametrize(
    ("title", "cell", "told"),
    [
        ("Groups", "2", "a matrix product has no groups"),
        ("Dilation", "2", "a matrix product has no dilation"),
        ("Sparsity", "3:4", "weight sparsity 3:4"),
        ("", "3 : 4", "weight sparsity 3:4"),
        ("Batch", "8", "a batch of 8"),
        ("Stride", "2", "a matrix product has no stride"),
        ("Sparsity", "2", "Sparsity must be N:M, not '2'"),
    ],
)
def test_matrix_products_are_held_to_the_same(tmp_path, title, cell, told):
    assert told in refusal(tmp_path, written([["Layer", "M", "N", "K", title], ["G", "3", "5", "16", cell]]))


def test_columns_of_no_known_meaning_are_named_with_what_stands_in_them(tmp_path):
    # As in files of SCALE-Sim: a target, a note without a title, a title without cells.
    rows = [[*PLAIN, "", "Target", "Eh"], ["a", *"9955", "2", "4", "3", "#dw", "NPU"]]
    rows += [[name, *"9955", "2", "4", "3", "", target] for name, target in zip("bcde", "NWXY", strict=True)]
    assert read(tmp_path, written(rows)).notes == (
        "column 9 (without a title) is not read: '#dw'",
        "Target is not read: 'NPU', 'N', 'W', ...",
    )


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), gemm=st.booleans(), mark=st.sampled_from(",;"))
def test_case_spacing_and_quoting_of_titles_and_cells_change_nothing(tmp_path, data, gemm, mark):
    titles = ["Layer", "M", "N", "K"] if gemm else PLAIN
    rows = [["a", *"3572255"[: len(titles) - 1]], ["b", *"9933241"[: len(titles) - 1]]]
    if not gemm:
        rows[0][1:] = list("9955243")
    plain = read(tmp_path, written([titles, *rows]))

    def disguised(cell: str) -> str:
        quote = data.draw(st.sampled_from(["", "'", '"']))
        spaces = [data.draw(st.sampled_from(["", " ", "   ", "\t", "\t\t"])) for _ in range(2)]
        return spaces[0] + quote + cell + quote + spaces[1]

    cased = [data.draw(st.sampled_from([str.upper, str.lower, str.title, str.swapcase]))(t) for t in titles]
    end = data.draw(st.sampled_from(["\n", "\r\n", "\r"]))
    text = end.join(mark.join(map(disguised, row)) for row in [cased, *rows])
    network = read(tmp_path, data.draw(st.sampled_from(["", "\ufeff"])) + text)
    assert (network.layers, network.notes) == (plain.layers, ())


@pytest.mark.parametrize(
    "titles",
    ["GEMM M|GEMM N|GEMM K", "Dimension M|Dimension N|Dimension K", "M (rows)|N (columns)|K [inner]"],
)
def test_titles_of_matrix_products_may_say_more_than_a_letter(tmp_path, titles):
    network = read(tmp_path, written([["Layer name", *titles.split("|")], ["G", "3", "5", "16"]]))
    assert (network.layers[0].in_shape, network.layers[0].out_shape) == ((16, 1, 3), (5, 1, 3))
    assert network.notes == ()


def test_a_sparsity_of_one_is_dense_and_told(tmp_path):
    # As in sparsity/gemm_mix.csv and sparsesim/conv_mix.csv of SCALE-Sim.
    network = read(tmp_path, "Layer Name, M, N, K, Sparsity,\nGEMM_1, 1, 5, 16, 1,\n")
    assert network.macs == 80
    assert network.notes == ("a sparsity of 1 is read as 1:1, dense weights: GEMM_1",)
    rows = [[*PLAIN, "Sparsity"], ["CONV_1", *"5544141", "1"], ["b", *"5544141", "1:1"]]
    assert read(tmp_path, written(rows)).notes == ("a sparsity of 1 is read as 1:1, dense weights: CONV_1",)


def test_comments_without_numbers_are_headings_and_others_are_told_to_be_layers(tmp_path):
    network = read(tmp_path, f"# my net, version two\n{', '.join(PLAIN)},\n// 1, one\n# a,9,9,3,3,2,4,2,\n")
    assert [layer.name for layer in network.layers] == ["# a"]
    assert network.notes == (
        "a topology has no comments, so that these are layers: # a",
        "line 1 has no size, '# my net, version two': a heading, not a layer",
        "line 3 has no size, '// 1, one': a heading, not a layer",
    )
    # A mark before the titles makes no comment of them.
    assert read(tmp_path, f"# {', '.join(PLAIN)}\na,9,9,3,3,2,4,2\n").notes == ()


def test_layers_that_are_depthwise_in_name_only_are_told(tmp_path):
    # As in MLperf_tiny/vww.csv and conv_nets/mobilnet_4k.csv of SCALE-Sim, which looks for DP alone.
    rows = [PLAIN, ["DepthwiseConv2D_1", *"9933811"], ["Conv2_dw", *"9933111"], ["c_DP", *"9933811"]]
    rows += [["edward", *"9933811"], ["e_dw", *"9933881", "8"], ["f_dw_DP", *"9933111"]]
    rows[0] = [*PLAIN, "Groups"]
    network = read(tmp_path, written(rows))
    assert [layer.out_shape[0] for layer in network.layers] == [1, 1, 8, 1, 8, 1]
    (note,) = network.notes
    assert note.endswith("every filter sees all channels: DepthwiseConv2D_1, Conv2_dw")


def test_headings_between_layers_are_told_apart_from_layers(tmp_path):
    rows = [["A comment"], PLAIN, [""] * 9, ["AlexNet", ""], ["a", *"9955", "2", "4", "3"]]
    network = read(tmp_path, written(rows))
    assert [layer.name for layer in network.layers] == ["a"]
    assert network.notes == (
        "line 1 has no size, 'A comment': a heading, not a layer",
        "line 4 has no size, 'AlexNet': a heading, not a layer",
    )


def test_titles_in_another_order_are_refused_since_scale_sim_reads_by_position(tmp_path):
    turned = [PLAIN[0], PLAIN[2], PLAIN[1], *PLAIN[3:]]
    message = refusal(tmp_path, written([turned, ["a", *"9955", "2", "4", "3"]]))
    assert message.startswith("line 1: the titles are those of a topology in another order")
    assert message.endswith(
        "IFMAP Height, IFMAP Width, Filter Height, Filter Width, Channels, Num Filter, Strides"
    )
    message = refusal(tmp_path, "Layer, M, K, N,\na, 3, 5, 7,\n")
    assert message.endswith("put the columns in the order M, N, K")


def test_without_titles_the_first_line_is_a_layer(tmp_path):
    assert read(tmp_path, "a,9,9,3,3,2,4,1,\nb,7,7,3,3,4,4,1,\n").layers[0].name == "a"
    assert read(tmp_path, "G,3,5,16,\n").layers[0].out_shape == (5, 1, 3)
    assert read(tmp_path, "G;3;5;16;4:4\n").layers[0].in_shape == (16, 1, 3)
    assert "line 1: no SCALE-Sim topology" in refusal(tmp_path, "a,9,9,3,3,\n")
    # A template, as SCALE-Sim has one: letters for numbers.
    assert "line 1: no SCALE-Sim topology" in refusal(tmp_path, "LSTM,1,B,1,1,H,H,1,\n")


NAMES = st.sampled_from(["a", "a.2", "a.input", "a.2.input", "a.input.2", "x_DP", "image", "b"])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(layers=st.lists(st.tuples(NAMES, st.sampled_from([1, 2, 3])), min_size=1, max_size=8))
def test_whatever_the_names_only_layers_in_a_chain_share_a_map(tmp_path, layers):
    # Maps of one size: were two to bear one name, nothing else would tell them apart.
    rows = [[name, *"4411", str(channels), "1" if "DP" in name else "2", "1"] for name, channels in layers]
    network = read(tmp_path, written([PLAIN, *rows]))
    assert len({layer.name for layer in network.layers}) == len(layers)
    first = {name: at for at, (name, _) in reversed(list(enumerate(layers)))}
    for at, (layer, (name, channels)) in enumerate(zip(network.layers, layers, strict=True)):
        assert layer.name == name if first[name] == at else layer.name.startswith(f"{name}.")
        before = network.layers[at - 1]
        chained = at > 0 and before.out_shape[0] == channels
        readers = [other.name for other in network.layers if other.input == layer.input]
        assert readers == [layer.name]
        assert (
            (layer.input == before.name == before.output)
            if chained
            else layer.input not in {other.output for other in network.layers}
        )


def test_scale_sims_own_writer_and_its_sparsity_are_understood(tmp_path):
    topologies = pytest.importorskip("scalesim.topology_utils").topologies
    (tmp_path / "in.csv").write_text(f"{','.join(PLAIN)},\na,9,9,3,3,2,4,2,\nb_DP,8,8,3,3,2,1,1,\n")
    copier = topologies()
    copier.load_arrays(str(tmp_path / "in.csv"))
    copier.write_topo_file(str(tmp_path), "out.csv")
    network = read_topology(tmp_path / "out.csv")
    assert network.notes == ()
    assert [(la.kind, la.in_shape, la.out_shape, la.stride) for la in network.layers] == [
        ("conv", (2, 9, 9), (4, 4, 4), (2, 2)),
        *[("depthwise", (1, 8, 8), (1, 6, 6), (1, 1))] * 2,
    ]
    sparse = topologies()
    (tmp_path / "in.csv").write_text("Layer, M, N, K, Sparsity,\nG, 3, 5, 16, 2:4,\n")
    sparse.load_arrays(str(tmp_path / "in.csv"), mnk_inputs=True)
    sparse.write_topo_file(str(tmp_path), "out.csv")
    with pytest.raises(NetworkError, match="line 2: weight sparsity 2:4 is not modelled"):
        read_topology(tmp_path / "out.csv")


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "pixels", "noted"),
    [(56, 1, 2, 28, "s makes 28x28 pixels, of SCALE-Sim's 29x29"), (57, 1, 2, 29, ""), (9, 3, 4, 3, "")],
)
def test_fewer_outputs_than_scale_sim_counts_are_told(tmp_path, size, kernel, stride, pixels, noted):
    row = ["s", size, size, kernel, kernel, 1, 1, stride]
    network = read(tmp_path, written([PLAIN, row]))
    assert network.layers[0].out_shape == (1, pixels, pixels)
    assert "".join(network.notes).endswith(noted)
    assert bool(network.notes) == bool(noted)
