"""A trace's geometry as a topology that SCALE-Sim reads."""

import csv

import pytest

from hwsim.errors import NetworkError
from hwsim.export import write_scalesim
from hwsim.layer import Layer
from hwsim.networks import Network
from hwsim.networks.scalesim import write_topology


def test_every_layer_is_a_line_with_its_macs(case, tmp_path):
    write_scalesim(case, tmp_path / "t.csv")
    with (tmp_path / "t.csv").open(newline="") as file:
        header, *rows = csv.reader(file, skipinitialspace=True)
    assert len(header) == 9
    assert len(rows) == len(case.layers)
    for row, layer in zip(rows, case.layers, strict=True):
        height, width, tall, wide, channels, filters, stride = map(int, row[1:8])
        assert row[0].startswith(layer.name)
        outputs = ((height - tall) // stride + 1) * ((width - wide) // stride + 1)
        # SCALE-Sim knows no padding: every tap counts.
        _, tops, lefts = layer.out_shape
        taps = layer.kernel[0] * layer.kernel[1] * layer.in_shape[0] * layer.filters
        assert outputs * tall * wide * channels * filters == tops * lefts * taps


def test_a_file_that_cannot_be_written_is_told_in_one_line(one_case, tmp_path):
    with pytest.raises(NetworkError, match="Is a directory"):
        write_scalesim(one_case, tmp_path)


def test_scale_sims_own_parser_reads_the_same_layers(case, tmp_path):
    topologies = pytest.importorskip("scalesim.topology_utils").topologies
    write_scalesim(case, tmp_path / "t.csv")
    read = topologies()
    read.load_arrays(str(tmp_path / "t.csv"))
    # It takes a depthwise layer apart into one layer a channel.
    copies = [layer.in_shape[0] if layer.kind == "depthwise" else 1 for layer in case.layers]
    expected = [layer for layer, count in zip(case.layers, copies, strict=True) for _ in range(count)]
    assert read.get_num_layers() == len(expected)
    for number, layer in enumerate(expected):
        assert read.get_layer_name(number).startswith(layer.name)
        assert tuple(read.get_layer_ofmap_dims(number)) == layer.out_shape[1:]
        outputs = layer.out_shape[0] * layer.out_shape[1] * layer.out_shape[2]
        products = outputs * layer.weight_shape[1] * layer.kernel[0] * layer.kernel[1]
        depth = layer.in_shape[0] if layer.kind == "depthwise" else 1
        assert read.get_layer_mac_ops(number) == products // depth


def test_no_name_is_a_formula_in_a_spreadsheet(tmp_path):
    layers = [Layer(name, "linear", "image", (3, 1, 1), (2, 1, 1)) for name in ("=1+1", "@x", "-1", "fc")]
    write_topology(Network("n", tuple(layers), "by hand"), tmp_path / "t.csv")
    with (tmp_path / "t.csv").open(newline="") as file:
        names = [row[0] for row in csv.reader(file)]
    assert names[1:] == ["'=1+1", "'@x", "'-1", "fc"]
