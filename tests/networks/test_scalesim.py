"""Topologies of SCALE-Sim: read as it reads them, written so that it counts the same."""

from dataclasses import replace
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwsim import networks
from hwsim.errors import NetworkError
from hwsim.networks import Network
from hwsim.networks.scalesim import read_topology, write_topology

CONV = "Layer name, IFMAP Height, IFMAP Width, Filter Height, Filter Width, Channels, Num Filter, Strides,"


def read(tmp_path, text):
    path = tmp_path / "net.csv"
    path.write_text(text, encoding="utf-8")
    return read_topology(path)


def scalesim_macs(text: str) -> int:
    """MACs as topologies.load_arrays_conv and topo_calc_hyperparams of scalesim 3.0.0 count them."""
    total = 0
    for row in text.splitlines()[1:]:
        name, *cells = row.split(",")[:-1]
        height, width, tall, wide, channels, filters, stride = map(int, cells)
        rows = ceil((height - tall + stride) / stride)
        columns = ceil((width - wide + stride) / stride)
        total += rows * columns * tall * wide * channels * filters
        assert "DP" not in name or filters == 1  # a depthwise layer becomes one of one channel, per channel
    return total


@pytest.mark.parametrize("name", networks.names())
def test_scale_sim_counts_the_same_macs_in_a_network_written_for_it(tmp_path, name):
    path = tmp_path / "net.csv"
    network = networks.get(name)
    write_topology(network, path)
    assert scalesim_macs(path.read_text(encoding="utf-8")) == network.macs
    again = read_topology(path)
    assert again.name == "net"
    assert again.macs == network.macs
    for there, back in zip(network.layers, again.layers, strict=True):
        assert (there.kind, there.out_shape, there.kernel, there.stride) == (
            back.kind,
            back.out_shape,
            back.kernel,
            back.stride,
        )
        assert back.padding == (0, 0)


def test_a_file_of_scale_sim_is_read(tmp_path):
    # Shaped like topologies/conv_nets of SCALE-Sim: tabs, notes behind the layer, a comma missing at the end.
    network = read(
        tmp_path,
        f"{CONV},,Eh\n,,,,\n\tconv1\t, 224, 224, 11, 11, 3, 96, 4,,,54\n"
        "conv2_DP,54,54,3,3,96,1,2,#dw\nfc,1,1,1,1,64,10,1\n",
    )
    conv, depthwise, linear = network.layers
    assert (conv.name, conv.kind, conv.in_shape, conv.stride) == ("conv1", "conv", (3, 224, 224), (4, 4))
    assert conv.out_shape == (96, 55, 55)  # ceil(213 / 4) + 1: the last window hangs over
    assert (depthwise.kind, depthwise.in_shape, depthwise.out_shape) == (
        "depthwise",
        (96, 54, 54),
        (96, 27, 27),
    )
    assert (linear.kind, linear.in_shape, linear.out_shape) == ("linear", (64, 1, 1), (10, 1, 1))


def test_layers_are_chained_when_their_sizes_are_equal(tmp_path):
    network = read(tmp_path, f"{CONV}\na,6,6,3,3,2,4,1,\nb,4,4,1,1,4,3,1,\nc,6,6,3,3,3,4,1,\n")
    a, b, c = network.layers
    assert (a.input, a.output, b.input) == ("a.input", "a", "a")
    assert (b.output, c.input, c.output) == (None, "c.input", None)


def test_a_window_that_would_begin_behind_the_map_is_left_out(tmp_path):
    # 1x1 of stride 2: SCALE-Sim counts ceil(55 / 2) + 1 = 29 windows, the last from pixel 56 of 0 .. 55.
    assert read(tmp_path, f"{CONV}\ns,56,56,1,1,64,128,2,\n").layers[0].out_shape == (128, 28, 28)


def test_matrix_products_are_read(tmp_path):
    network = read(tmp_path, "Layer,M,N,K,\nL0,196,192,384,\nL1,196,64,192,\nL2,1,10,64\n")
    first, second, third = network.layers
    assert (first.kind, first.in_shape, first.out_shape) == ("conv", (384, 14, 14), (192, 14, 14))
    assert second.input == "L0"
    assert (third.kind, third.in_shape, third.out_shape) == ("linear", (64, 1, 1), (10, 1, 1))
    assert network.macs == 196 * 192 * 384 + 196 * 64 * 192 + 640


@pytest.mark.parametrize(
    ("vectors", "grid"),
    [
        (1, (1, 1)),
        (6, (2, 3)),
        (128, (8, 16)),
        (197, (1, 197)),  # a prime number: in one row, which is wide enough
        (1024, (32, 32)),
        (2 * 509, (2, 509)),
        (2 * 521, (521, 2)),  # 521 side by side would be more than 512
        (1009, (1009, 1)),
    ],
)
def test_the_vectors_of_a_product_lie_on_the_squarest_grid(tmp_path, vectors, grid):
    (layer,) = read(tmp_path, f"Layer,M,N,K,\nL,{vectors},5,16,\n").layers
    assert (layer.in_shape, layer.out_shape) == ((16, *grid), (5, *grid))
    assert layer.macs == vectors * 5 * 16


@given(
    size=st.tuples(st.integers(1, 30), st.integers(1, 30)),
    kernel=st.tuples(st.integers(1, 7), st.integers(1, 7)),
    stride=st.integers(1, 5),
)
def test_windows_are_those_that_begin_where_scale_sim_looks_and_inside_the_map(
    tmp_path_factory, size, kernel, stride
):
    if kernel[0] > size[0] or kernel[1] > size[1]:
        return
    path = tmp_path_factory.mktemp("t") / "net.csv"
    path.write_text(
        f"{CONV}\na,{size[0]},{size[1]},{kernel[0]},{kernel[1]},1,1,{stride},\n", encoding="utf-8"
    )
    out = read_topology(path).layers[0].out_shape[1:]
    for outputs, length, taps in zip(out, size, kernel, strict=True):
        # Windows, one after the other, until one has reached the end of the map.
        begins = [0]
        while begins[-1] + taps < length:
            begins.append(begins[-1] + stride)
        assert outputs == sum(begin < length for begin in begins)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: no SCALE-Sim topology, which starts with"),
        ("a,b,c\n", "line 1: no SCALE-Sim topology"),
        (f"{CONV}\n", "no layer follows the first line"),
        (
            f"{CONV}\na,6,6,3,3,2,4,1,\nb,6,6,3,3,2,4,\n",
            "line 3: Strides must be a whole number above 0, not ''",
        ),
        (f"{CONV}\n\na,6,x,3,3,2,4,1,\n", "line 3: IFMAP Width must be a whole number above 0, not 'x'"),
        (f"{CONV}\na,6,6,3,3,0,4,1,\n", "line 2: Channels must be a whole number above 0, not '0'"),
        (f"{CONV}\na,6,6,-3,3,2,4,1,\n", "line 2: Filter Height must be a whole number above 0, not '-3'"),
        (f"{CONV}\na,6,6,7,3,2,4,1,\n", "line 2: the filter of 7x3 is larger than the map of 6x6"),
        (f"{CONV}\n,6,6,3,3,2,4,1,\n", "line 2: the layer has no name"),
        (f"{CONV}\na,6,6,3,3,2,4,1,2:4,\n", "line 2: weight sparsity 2:4 is not modelled; make it 1:1"),
        ("Layer,M,N,K,\na,1,2,\n", "line 2: K must be a whole number above 0, not ''"),
    ],
)
def test_a_bad_topology_is_one_line_that_names_the_line(tmp_path, text, message):
    with pytest.raises(NetworkError) as error:
        read(tmp_path, text)
    assert message in str(error.value)
    assert str(tmp_path / "net.csv") in str(error.value)
    assert "\n" not in str(error.value)


def test_files_that_cannot_be_read_or_written_are_one_line(tmp_path):
    with pytest.raises(NetworkError, match="No such file"):
        read_topology(tmp_path / "none.csv")
    (tmp_path / "net.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(NetworkError, match="not a text file in UTF-8"):
        read_topology(tmp_path / "net.csv")
    with pytest.raises(NetworkError, match="No such file"):
        write_topology(networks.get("lenet5"), tmp_path / "none" / "net.csv")


@pytest.mark.parametrize("name", ["a,b", "aDPb"])
def test_names_that_the_format_cannot_hold_are_refused(tmp_path, name):
    layers = networks.get("lenet5").layers
    network = Network("n", (replace(layers[0], name=name),), "test")
    with pytest.raises(NetworkError, match="rename it"):
        write_topology(network, tmp_path / "net.csv")


def test_depthwise_layers_are_written_as_scale_sim_knows_them(tmp_path):
    path = tmp_path / "net.csv"
    write_topology(networks.get("mobilenet_v1"), path)
    rows = path.read_text(encoding="utf-8").splitlines()
    assert rows[2] == "conv1.dw_DP, 114, 114, 3, 3, 32, 1, 1,"


def test_matrix_products_written_as_convolutions_of_any_length_are_read(tmp_path):
    """As in resnet_weight_grad.csv and gpt2_new.csv of SCALE-Sim: kernels of a whole row of 12544 pixels."""
    text = f"{CONV}\nconv1,147,12544,1,12544,1,64,1,\nlong,10000,3,10000,3,2,5,1,\nfc,8,4096,1,4096,1,64,1,\n"
    network = read(tmp_path, text)
    assert [layer.in_shape for layer in network.layers] == [(12544, 147, 1), (20000, 1, 3), (1, 8, 4096)]
    assert [layer.kernel for layer in network.layers] == [(1, 1), (1, 3), (1, 4096)]
    assert [layer.out_shape for layer in network.layers] == [(64, 147, 1), (5, 1, 1), (64, 8, 1)]
    assert network.macs == scalesim_macs(text)
    (note,) = network.notes
    assert note.endswith("is read as channels: conv1 (12544), long (20000)")
    with pytest.raises(NetworkError, match="a kernel's side is at most 4096"):
        read(tmp_path, f"{CONV}\nconv1,147,12545,1,12544,1,64,1,\n")
