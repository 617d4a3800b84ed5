"""Densities by layer: which map gets which, from a mapping or a file, and what is refused."""

import json

import pytest

from hwsim import networks
from hwsim.errors import NetworkError
from hwsim.synthetic import map_densities, read_densities

RESNET = networks.get("resnet18")


def test_the_image_is_dense_and_all_other_maps_have_the_density_given():
    densities = map_densities(RESNET, 0.25)
    assert list(densities) == list(RESNET.maps)
    assert densities.pop("image") == 1.0
    assert set(densities.values()) == {0.25}


def test_a_layer_sets_the_density_of_the_map_that_it_reads():
    densities = map_densities(RESNET, {"layer2.0.conv1": 0.1, "conv1": 0.9, "default": 0.3})
    assert densities["layer1.1"] == 0.1  # what layer2.0.conv1 and layer2.0.downsample read
    assert densities["image"] == 0.9
    assert densities["layer4.1"] == 0.3
    assert map_densities(RESNET, {"fc": 0})["layer1.0"] == 0.5


@pytest.mark.parametrize(
    ("density", "message"),
    [
        ({"layer9": 0.5}, "resnet18 has no layer 'layer9': its layers are conv1, "),
        ({"conv1": 1.5}, "density of conv1 must be a number within 0 .. 1, not 1.5"),
        ({"conv1": "half"}, "density of conv1 must be a number within 0 .. 1, not 'half'"),
        (float("nan"), "density must be a number within 0 .. 1, not nan"),
        (-0.1, "within 0 .. 1, not -0.1"),
        (
            {"layer2.0.conv1": 0.1, "layer2.0.downsample": 0.2},
            "layer2.0.conv1 and layer2.0.downsample read one map: give them one density, not 0.1 and 0.2",
        ),
    ],
)
def test_a_density_that_makes_no_sense_is_one_line(density, message):
    with pytest.raises(NetworkError) as error:
        map_densities(RESNET, density)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


WANTED = {"conv1": 0.5, "layer1.0.conv1": 0.25}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("d.csv", "layer,density\nconv1,0.5\n\n# a note\nlayer1.0.conv1, 0.25\n"),
        ("d.csv", "conv1,0.5\nlayer1.0.conv1,0.25"),
        ("d.toml", 'conv1 = 0.5\n"layer1.0.conv1" = 0.25\n'),
        ("d.toml", "conv1 = 0.5\nlayer1.0.conv1 = 0.25\n"),
        ("d.json", json.dumps(WANTED)),
    ],
)
def test_densities_are_read_from_csv_toml_and_json(tmp_path, name, text):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    assert read_densities(path) == WANTED


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("d.csv", "conv1,0.5\nlayer1", "line 2: expected 'layer,density', not 'layer1'"),
        ("d.csv", "conv1,0.5\nfc,half", "line 2: expected 'layer,density', not 'fc,half'"),
        ("d.csv", "conv1,0.5\nconv1,0.5", "line 2: a second density for layer conv1"),
        ("d.toml", "conv1 = ", "d.toml: "),
        ("d.json", "[0.5]", "expected pairs of layer and density"),
        ("d.json", "{", "d.json: "),
        ("d.txt", "conv1,0.5", "densities come from a .csv, .toml or .json file"),
    ],
)
def test_a_bad_file_is_one_line_that_says_where(tmp_path, name, text, message):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    with pytest.raises(NetworkError) as error:
        read_densities(path)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_files_that_cannot_be_read_are_one_line(tmp_path):
    with pytest.raises(NetworkError, match="No such file"):
        read_densities(tmp_path / "none.csv")
    (tmp_path / "d.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(NetworkError, match="not a text file in UTF-8"):
        read_densities(tmp_path / "d.csv")
