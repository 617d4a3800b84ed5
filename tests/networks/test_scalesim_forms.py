"""Every form that SCALE-Sim's own topology files have (docs/synthetic.md counts them), in a few lines each.

The layers are short copies with sizes of their own, or those of the file where the size is the form; their
multiply-adds are worked out by hand.
"""

import pytest

from hwsim.errors import NetworkError
from hwsim.networks.scalesim import read_topology
from hwsim.synthetic import peak_memory

CONV = "Layer name, IFMAP Height, IFMAP Width, Filter Height, Filter Width, Channels, Num Filter, Strides,"
LOWER = "Layer name,Ifmap height,ifmap width,filter height,filter width,channel,num filters,strides,"
TWICE = "Layer, IFMAP Width, IFMAP Width, Filter Height, Filter Width, Channels, Num Filter, Strides,"

# a: 7 x 7 outputs, 3 x 3 taps, 2 channels, 4 filters; b: 7 x 7 outputs, 4 channels, 5 filters.
A, B = 7 * 7 * 9 * 2 * 4, 7 * 7 * 4 * 5
READ = {  # the file, its multiply-adds, and the notes' beginnings
    "commas": (f"{CONV}\n,,,,,,,,\na,9,9,3,3,2,4,1,\nb,7,7,1,1,4,5,1\n", A + B, []),
    "no commas at the end": (f"{CONV[:-1]}\n\na,9,9,3,3,2,4,1\nb, 7, 7, 1, 1, 4 ,5, 1, \n\n\n", A + B, []),
    "CRLF, spaces": (f"{CONV}\r\na     ,9    ,9  ,3 ,3   ,2  ,4   ,1 ,\r\n", A, []),
    "lower": (f"{LOWER}\na,9,9,3,3,2,4,1,\n", A, []),
    "twice": (
        f"{TWICE}\na,9,9,3,3,2,4,1, \n",
        A,
        ["column 2 is titled 'IFMAP Width' and read by its position"],
    ),
    "tabs": (CONV.replace(",", "\t") + "\na\t9\t9\t3\t3\t2\t4\t1\t\nb\t7\t7\t1\t1\t4\t5\t1\t", A + B, []),
    "tab before a name": (f"{CONV}\na,9,9,3,3,2,4,1,\n\tb,7,7,1,1,4,5,1,\n", A + B, []),
    "matrix products": ("Layer,M,N,K\n1,3,5,16\n\n2,3,7,5,\n", 3 * 5 * 16 + 3 * 7 * 5, []),
    "a title without cells": ("Layer,M,N,K,FFN_up,\nFFN_up,3,5,16,", 240, []),
    "names": (
        f"{CONV}\nAttn_QxK',9,9,3,3,2,4,1,\nAttn_QxK',7,7,1,1,4,5,1,\n",
        A + B,
        ["names that came before"],
    ),
    "headings": (
        f"{CONV}\n\nA net(Recommendation),\na,9,9,3,3,2,4,1,\n",
        A,
        ["line 3 has no size, 'A net(Rec"],
    ),
    "#dw": (f"{CONV}\na,9,9,3,3,2,4,1,#1\n", A, ["column 9 (without a title) is not read: '#1'"]),
    "target": (
        f"{CONV}, Target\na,9,9,3,3,2,4,1, NPU\n",
        A,
        ["column 9 (without a title) is not read: 'NPU'"],
    ),
    "notes": (
        f"{CONV},,Eh\n,,,,,,,,,,\na,9,9,3,3,2,4,1,,,7\nb,7,7,1,1,4,5,1,,,\n",
        A + B,
        ["Eh is not read: '7'"],
    ),
    "shifted": (
        f"{CONV}\nptwise,1,1,1,1,1,1024,1,1, \n",
        1024,
        ["column 9 (without a title) is not read: '1'"],
    ),
    "a batch of one": (f"{CONV} Batch Size,\na,   9,   9,  3,   3,  2,  4,  1,   1,\n", A, []),
    "batch without cells": (f"{LOWER}batch size,\na,9,9,3,3,2,4,1,\n", A, []),
    "sparsity 1": (
        f"{CONV} Sparsity\na,  9, 9,  3, 3,  2,  4,  1, 1,",
        A,
        ["a sparsity of 1 is read as 1:1"],
    ),
    "depthwise": (f"{CONV}\nConv2_dw, 9, 9, 3, 3, 2, 4, 1,\n", A, ["not depthwise, for want of DP"]),
    "whole rows": (
        f"{CONV}\na,147,12544,1,12544,1,64,1,\n",
        147 * 12544 * 64,
        ["a side of the map that the"],
    ),
}
REFUSED = {
    "sparse": (
        f"{CONV} Sparsity,\na, 9, 9, 3, 3, 2, 4, 1,  2:4,",
        "line 2: weight sparsity 2:4 is not modelled",
    ),
    "sparse products": (
        "L,M,N,K,Sparsity,\nL4,3,5,16,10:16,",
        "line 2: weight sparsity 10:16 is not modelled",
    ),
    "batch": (
        "layer name,m,n,k,batch,sparsity,\ngemm1,3,5,16,8,1:1,\n",
        "line 2: a batch of 8 is not modelled",
    ),
    "template": (f"{CONV}\nLSTM, 1, B, 1, 1, H, H, 1,\n", "line 2: IFMAP Width must be a whole number"),
    "empty": (
        f"{CONV}\nFC, 1, 1, 1, ,1 2, 2, 1,\n",
        "line 2: Filter Width must be a whole number above 0, not ''",
    ),
    "layout": (
        "Layer name, IFMAP Height Intraline Factor, IFMAP Width Intraline Factor, "
        "Filter Height Intraline Factor, Filter Width Intraline Factor, Channel Intraline Factor, "
        "Num Filter Intraline Factor, IFMAP Height Intraline Order,\nConv1,4,224,1,1,1,96,1,",
        "line 1: no SCALE-Sim topology",
    ),
}


def read(tmp_path, text):
    (tmp_path / "net.csv").write_bytes(text.encode())
    return read_topology(tmp_path / "net.csv")


@pytest.mark.parametrize("form", READ)
def test_a_form_of_scale_sims_files_is_read_and_what_is_odd_is_told(tmp_path, form):
    text, macs, notes = READ[form]
    network = read(tmp_path, text)
    assert network.macs == macs
    assert len(network.notes) == len(notes)
    for note, begins in zip(network.notes, notes, strict=True):
        assert note.startswith(begins)


@pytest.mark.parametrize("form", REFUSED)
def test_a_form_of_scale_sims_files_is_refused_by_its_line(tmp_path, form):
    text, told = REFUSED[form]
    with pytest.raises(NetworkError, match=told):
        read(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "layer"),
    [(f"{CONV}\nFF,512,512,1,1,4096,16384,1,\n", "FF"), ("Layer,M,N,K\nConv1b,4177936,64,576\n", "Conv1b")],
)
def test_layers_that_are_too_large_for_a_trace_are_named_before_anything_is_made(tmp_path, text, layer):
    # llama3b makes 2^32 values, unet2d reads 2.4e9.
    with pytest.raises(NetworkError, match=f"layer {layer} has a map or weights of more than 2.31 values"):
        peak_memory(read(tmp_path, text))


def test_the_memory_for_large_layers_is_told_beforehand(tmp_path):
    # gpt2_new: a product of 10,000 x 10,000 activations; 20 bytes a value, 48 a row (docs/synthetic.md).
    network = read(tmp_path, f"{CONV}\nQKT,10000,64,1,64,1,10000,1,\nQKTV,10000,10000,1,10000,1,64,1,\n")
    assert peak_memory(network) == ("QKT", 20 * 10**8 + 48 * 10**4)
