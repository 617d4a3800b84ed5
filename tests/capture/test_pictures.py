"""Pictures from files: what is read, what is refused, and that nothing in a file is executed."""

import gzip
import pickle
import struct
import sys

import numpy as np
import pytest

from hwsim.capture.pictures import open_pictures
from hwsim.capture.preprocessing import Prepared, Preprocessing
from hwsim.errors import CaptureError, HwsimError

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (5, 6, 4), np.uint8)
RGB = RNG.integers(0, 256, (3, 7, 9, 3), np.uint8)


def idx(pixels, kind=8):
    return struct.pack(f">HBB{pixels.ndim}I", 0, kind, pixels.ndim, *pixels.shape) + pixels.tobytes()


def read_all(place):
    opened = open_pictures(place)
    return np.stack([opened.read(number) for number in range(len(opened))])


@pytest.mark.parametrize("name", ["t10k-images-idx3-ubyte", "t10k-images-idx3-ubyte.gz"])
def test_idx(tmp_path, name):
    data = idx(GREY)
    (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    np.testing.assert_array_equal(read_all(tmp_path / name), GREY[:, None])
    assert open_pictures(tmp_path / name).kind == "IDX"


@pytest.mark.parametrize(("labels", "kind"), [(1, "CIFAR-10"), (2, "CIFAR-100")])
def test_cifar(tmp_path, labels, kind):
    pixels = RNG.integers(0, 256, (4, 3, 32, 32), np.uint8)
    records = np.concatenate([np.full((4, labels), 9, np.uint8), pixels.reshape(4, -1)], axis=1)
    (tmp_path / "test_batch.bin").write_bytes(records.tobytes())
    np.testing.assert_array_equal(read_all(tmp_path / "test_batch.bin"), pixels)
    assert open_pictures(tmp_path / "test_batch.bin").kind == kind


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        (RGB, RGB.transpose(0, 3, 1, 2)),
        (RGB.transpose(0, 3, 1, 2), RGB.transpose(0, 3, 1, 2)),
        (GREY, GREY[:, None]),
        (GREY[..., None], GREY[:, None]),
        ((GREY / 7).astype(np.float32), (GREY / 7).astype(np.float32)[:, None]),
    ],
)
def test_arrays(tmp_path, stored, expected):
    np.save(tmp_path / "a.npy", stored)
    np.savez(tmp_path / "a.npz", pixels=stored, labels=np.arange(len(stored)))
    for place in ("a.npy", "a.npz", "a.npz#pixels"):
        np.testing.assert_array_equal(read_all(f"{tmp_path}/{place}"), expected)


def test_a_folder_in_the_order_of_its_paths(tmp_path):
    image = pytest.importorskip("PIL.Image")
    (tmp_path / "b").mkdir()
    image.fromarray(RGB[0]).save(tmp_path / "b" / "1.png")
    image.fromarray(RGB[1]).save(tmp_path / "c.PNG")
    image.fromarray(GREY[0]).save(tmp_path / "a.bmp")
    (tmp_path / "labels.csv").write_text("a,1")
    opened = open_pictures(tmp_path)
    assert opened.names == ["a.bmp", "b/1.png", "c.PNG"]
    np.testing.assert_array_equal(opened.read(0), GREY[:1])
    np.testing.assert_array_equal(opened.read(1), RGB[0].transpose(2, 0, 1))


class Bomb:
    """What runs code when it is unpickled."""

    def __reduce__(self):
        return exec, ("raise SystemExit('code of a file was run')",)


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("data_batch_1", pickle.dumps(Bomb()), "is a pickle, which can run code: take the binary version"),
        ("labels-idx1-ubyte", idx(np.zeros(5, np.uint8)), "holds labels"),
        ("images-idx3-ubyte", idx(GREY)[:-3], "says (5, 6, 4) pixels and has 117"),
        ("floats-idx3", idx(GREY, kind=13), "unsigned bytes"),
        ("short-idx3", idx(GREY)[:7], "ends in its header"),
        ("test_batch.bin", bytes(3072), "no whole number"),
        ("empty.bin", b"", "no whole number"),
        ("a.npy", b"nothing", "cannot be read"),
        ("a.npz", b"PK nothing", "cannot be read"),
        ("a.gz", b"nothing", "cannot be read"),
        ("a.txt", b"nothing", "give a folder"),
    ],
)
def test_wrong_files_give_one_line(tmp_path, name, data, words):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(CaptureError) as error:
        open_pictures(tmp_path / name)
    assert words in str(error.value)
    assert name in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_arrays_of_objects_are_not_unpickled(tmp_path, suffix):
    objects = np.array([[[Bomb()]]], object)
    (np.save if suffix == ".npy" else np.savez)(tmp_path / f"a{suffix}", objects)
    with pytest.raises(CaptureError, match="cannot be read"):
        open_pictures(tmp_path / f"a{suffix}")


@pytest.mark.parametrize(
    ("arrays", "place", "words"),
    [
        ({"x": GREY, "y": GREY}, "a.npz", "x (5, 6, 4), y (5, 6, 4)"),
        ({"x": GREY}, "a.npz#y", "no array y, but x"),
        ({"x": GREY[0]}, "a.npz", "name the array"),
        ({"x": GREY.astype(np.int64)}, "a.npz", "uint8 or floats"),
    ],
)
def test_the_array_of_an_archive_must_be_clear(tmp_path, arrays, place, words):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(CaptureError) as error:
        open_pictures(f"{tmp_path}/{place}")
    assert words in str(error.value)


def test_folders_without_pictures(tmp_path):
    with pytest.raises(CaptureError, match="there is nothing at"):
        open_pictures(tmp_path / "none")
    with pytest.raises(CaptureError, match="holds no picture"):
        open_pictures(tmp_path)
    (tmp_path / "test_batch.bin").write_bytes(bytes(3073))
    with pytest.raises(CaptureError, match=r"give one of its files: test_batch\.bin"):
        open_pictures(tmp_path)


def test_a_damaged_picture_is_named(tmp_path):
    pytest.importorskip("PIL")
    (tmp_path / "a.png").write_bytes(b"nothing")
    with pytest.raises(CaptureError, match=r"a\.png cannot be read"):
        open_pictures(tmp_path).read(0)


def test_without_pillow_one_line_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    (tmp_path / "a.png").write_bytes(b"")
    with pytest.raises(HwsimError, match=r"hwsim\[train\]"):
        open_pictures(tmp_path).read(0)


# Preprocessing.


def prepared(pixels, tmp_path, **options):
    np.save(tmp_path / "a.npy", pixels)
    opened = open_pictures(tmp_path / "a.npy")
    return Prepared(opened, range(len(opened)), Preprocessing(**options))


def test_eight_bits_become_0_to_1_and_are_normalized(tmp_path):
    mean, std = (0.1, 0.2, 0.3), (0.5, 0.6, 0.7)
    image = prepared(RGB, tmp_path, mean=mean, std=std)[1]
    assert (image.dtype, image.flags.c_contiguous) == (np.float32, True)
    expected = (RGB[1].transpose(2, 0, 1) / 255 - np.reshape(mean, (3, 1, 1))) / np.reshape(std, (3, 1, 1))
    np.testing.assert_allclose(image, expected, atol=1e-6)


def test_floats_are_taken_as_they_are(tmp_path):
    pixels = RNG.standard_normal((2, 3, 4, 4)).astype(np.float32)
    np.testing.assert_array_equal(prepared(pixels, tmp_path)[0], pixels[0])


def test_channels_are_turned_before_they_are_normalized(tmp_path):
    image = prepared(RGB, tmp_path, mean=(0.5, 0, 0), bgr=True)[0]
    np.testing.assert_allclose(image[0], RGB[0, :, :, 2] / 255 - 0.5, atol=1e-6)
    np.testing.assert_allclose(image[2], RGB[0, :, :, 0] / 255, atol=1e-6)


def test_a_grey_picture_becomes_rgb_for_a_network_of_three_channels(tmp_path):
    image = prepared(GREY, tmp_path, mean=(0.0, 0.1, 0.2))[0]
    np.testing.assert_allclose(image, GREY[0] / 255 - np.reshape([0, 0.1, 0.2], (3, 1, 1)), atol=1e-6)


def test_the_crop_is_from_the_centre(tmp_path):
    image = prepared(RGB, tmp_path, crop=5)[0]
    np.testing.assert_allclose(image, RGB[0, 1:6, 2:7].transpose(2, 0, 1) / 255, atol=1e-6)


def test_the_shorter_side_is_resized(tmp_path):
    pytest.importorskip("PIL")
    assert prepared(RGB, tmp_path, size=14)[0].shape == (3, 14, 18)
    flat = prepared(np.full((1, 3, 8, 16), 51, np.uint8), tmp_path, size=4)[0]
    np.testing.assert_allclose(flat, np.full((3, 4, 8), 0.2), atol=1e-6)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"crop": 8}, "7x9, less than --crop 8"),
        ({"mean": (0.0, 0.0)}, "3 channels, --mean 2 numbers"),
        ({"std": (0.0,)}, "std above 0"),
        ({"mean": (float("nan"),)}, "finite"),
        ({"size": -1}, "1 pixel or more"),
    ],
)
def test_preprocessing_that_makes_no_sense(tmp_path, options, words):
    with pytest.raises(CaptureError) as error:
        prepared(RGB, tmp_path, **options)[0]
    assert words in str(error.value)


def test_only_eight_bits_are_resized(tmp_path):
    with pytest.raises(CaptureError, match="8-bit"):
        prepared(np.zeros((1, 3, 4, 4), np.float32), tmp_path, size=2)[0]


def test_white_is_what_a_network_takes_for_it(tmp_path):
    np.save(tmp_path / "p.npy", RGB)
    opened = open_pictures(tmp_path / "p.npy")
    mean = (104.0, 117.0, 123.0)
    found = Prepared(opened, [1], Preprocessing(mean, white=255, bgr=True))[0]
    expected = RGB[1].astype(float).transpose(2, 0, 1)[::-1] - np.array(mean)[:, None, None]
    np.testing.assert_allclose(found, expected, atol=1e-3)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"mean": (104.0, 117.0, 123.0)}, "--mean 123 is far outside 0 .. 1.*add --white 255"),
        ({"std": (58.4, 57.1, 57.4)}, "--std 58.4 is far outside 0 .. 1.*add --white 255"),
    ],
)
def test_means_of_bytes_are_not_taken_for_those_of_0_to_1(tmp_path, options, words):
    np.save(tmp_path / "p.npy", RGB)
    with pytest.raises(CaptureError, match=words):
        Prepared(open_pictures(tmp_path / "p.npy"), [0], Preprocessing(**options))[0]
