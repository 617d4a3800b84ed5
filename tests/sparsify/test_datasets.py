from __future__ import annotations

import gzip
import io
import pickle
import struct

import numpy as np
import pytest

from hwsim.errors import DataError
from hwsim.sparsify.datasets import open_dataset

RANDOM = np.random.default_rng(0)


def cifar_records(count, first_label=0):
    """(bytes, images, labels) of the binary version."""
    images = RANDOM.integers(0, 256, (count, 3, 32, 32), np.uint8)
    labels = (np.arange(count) + first_label) % 10
    data = b"".join(bytes([label]) + image.tobytes() for label, image in zip(labels, images, strict=True))
    return data, images, labels


def idx_bytes(values):
    return struct.pack(f">HBB{values.ndim}I", 0, 8, values.ndim, *values.shape) + values.tobytes()


def jpeg(picture):
    image = pytest.importorskip("PIL.Image")
    file = io.BytesIO()
    image.fromarray(picture).save(file, "JPEG", quality=95)
    return file.getvalue()


def in_order(*parts):
    """Images and labels of several parts, in the order in which they are stored."""
    numbers = np.concatenate([part.numbers for part in parts])
    order = np.argsort(numbers)
    assert np.array_equal(numbers[order], np.arange(len(numbers)))
    return tuple(np.concatenate([getattr(p, name) for p in parts])[order] for name in ("images", "labels"))


@pytest.fixture
def cifar(tmp_path):
    folder = tmp_path / "cifar-10-batches-bin"
    folder.mkdir()
    parts = [cifar_records(20), cifar_records(30, 5)]
    for number, (data, *_) in enumerate(parts, 1):
        (folder / f"data_batch_{number}.bin").write_bytes(data)
    test = cifar_records(10)
    (folder / "test_batch.bin").write_bytes(test[0])
    return folder, parts, test


@pytest.fixture
def mnist(tmp_path):
    parts = {}
    for prefix, count in (("train", 40), ("t10k", 12)):
        images, labels = (
            RANDOM.integers(0, 256, (count, 28, 28), np.uint8),
            np.arange(count, dtype=np.uint8) % 10,
        )
        (tmp_path / f"{prefix}-images-idx3-ubyte").write_bytes(idx_bytes(images))
        (tmp_path / f"{prefix}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx_bytes(labels)))
        parts[prefix] = images, labels
    return tmp_path, parts


def test_cifars_binary_version_is_read_batch_after_batch(cifar):
    folder, parts, (_, test_images, test_labels) = cifar
    data = open_dataset(folder)
    images, labels = in_order(data.train, data.validation)
    np.testing.assert_array_equal(images, np.concatenate([part[1] for part in parts]))
    np.testing.assert_array_equal(labels, np.concatenate([part[2] for part in parts]))
    np.testing.assert_array_equal(data.test.images, test_images)
    np.testing.assert_array_equal(data.test.labels, test_labels)
    assert (data.name, data.classes) == ("cifar10", 10)


def test_mnists_idx_files_are_read_packed_or_not(mnist):
    folder, parts = mnist
    data = open_dataset(folder)
    images, labels = in_order(data.train, data.validation)
    np.testing.assert_array_equal(images[:, 0], parts["train"][0])
    np.testing.assert_array_equal(labels, parts["train"][1])
    np.testing.assert_array_equal(data.test.images[:, 0], parts["t10k"][0])
    np.testing.assert_array_equal(data.test.labels, parts["t10k"][1])


def test_the_training_pictures_are_cut_by_the_seed_and_no_picture_is_in_two_parts(mnist):
    folder, _ = mnist
    data, again, other = open_dataset(folder, 3), open_dataset(folder, 3), open_dataset(folder, 4)
    assert (len(data.train), len(data.validation), len(data.test)) == (32, 8, 12)
    assert not set(data.train.numbers) & set(data.validation.numbers)
    np.testing.assert_array_equal(data.validation.numbers, again.validation.numbers)
    assert data.digest() == again.digest() != other.digest()


def test_arrays_of_an_npz_are_read_grey_or_colour(tmp_path):
    labels = np.arange(12) % 3
    for shape in ((12, 8, 8), (12, 8, 8, 3)):
        images = RANDOM.integers(0, 256, shape, np.uint8)
        np.savez(tmp_path / "data.npz", x_train=images, y_train=labels, x_test=images[:4], y_test=labels[:4])
        data = open_dataset(tmp_path / "data.npz")
        found, _ = in_order(data.train, data.validation)
        np.testing.assert_array_equal(
            found, images[:, None] if len(shape) == 3 else images.transpose(0, 3, 1, 2)
        )
        assert data.classes == 3


def jpeg_archive(place, **changes):
    pictures = [np.full((16, 16, 3), 20 * number, np.uint8) for number in range(10)]
    packed = [jpeg(picture) for picture in pictures]
    arrays = {}
    for which, chosen in (("train", packed), ("test", packed[:2])):
        arrays[f"jpeg_{which}"] = np.frombuffer(b"".join(chosen), np.uint8)
        arrays[f"offset_{which}"] = np.cumsum([0, *map(len, chosen)])
        arrays[f"y_{which}"] = np.arange(len(chosen))
    np.savez(place, **(arrays | changes))
    return pictures


def test_jpegs_in_an_npz_are_unpacked(tmp_path):
    pictures = jpeg_archive(tmp_path / "data.npz")
    data = open_dataset(tmp_path / "data.npz")
    images, _ = in_order(data.train, data.validation)
    np.testing.assert_allclose(images.astype(int), np.stack(pictures).transpose(0, 3, 1, 2), atol=2)


def test_folders_of_classes_are_read_and_cropped_to_a_size(tmp_path):
    image = pytest.importorskip("PIL.Image")
    for part, count in (("train", 3), ("val", 2)):
        for label, name in enumerate(("ant", "bee")):
            folder = tmp_path / part / name
            folder.mkdir(parents=True)
            for number in range(count):
                shape = (20 + number, 30, 3)
                image.fromarray(np.full(shape, 100 * label, np.uint8)).save(folder / f"{number}.png")
    with pytest.raises(DataError, match="several sizes: give --size"):
        open_dataset(tmp_path)
    data = open_dataset(tmp_path, size=16)
    images, labels = in_order(data.train, data.validation)
    assert images.shape == (6, 3, 16, 16)
    np.testing.assert_array_equal(labels, [0, 0, 0, 1, 1, 1])
    np.testing.assert_array_equal(images[:, 0, 8, 8], 100 * labels)
    (tmp_path / "val" / "wasp").mkdir()
    with pytest.raises(DataError, match="class wasp that train has not"):
        open_dataset(tmp_path, size=16)


class Trap:
    def __reduce__(self):
        return (exec, ("raise SystemExit('executed')",))


def test_pickles_are_refused_and_never_opened(tmp_path):
    (tmp_path / "data_batch_1").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(DataError, match="take the binary version"):
        open_dataset(tmp_path)
    labels = np.arange(4)
    trap = np.array([Trap()] * 4, object)
    np.savez(tmp_path / "trap.npz", x_train=trap, y_train=labels, x_test=trap, y_test=labels)
    with pytest.raises(DataError, match=r"trap\.npz cannot be read"):
        open_dataset(tmp_path / "trap.npz")


def damaged_cifar(folder):
    file = folder / "data_batch_2.bin"
    file.write_bytes(file.read_bytes()[:-1])


def wrong_label(folder):
    data = bytearray((folder / "test_batch.bin").read_bytes())
    data[0] = 10
    (folder / "test_batch.bin").write_bytes(data)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (damaged_cifar, r"data_batch_2\.bin has 92189 bytes, no whole number of records"),
        (wrong_label, "label is 10, above 9"),
        (lambda folder: [file.unlink() for file in folder.glob("data*")], r"data_batch_1\.bin is not"),
    ],
)
def test_a_damaged_cifar_is_told_in_one_line(cifar, damage, words):
    folder, *_ = cifar
    damage(folder)
    with pytest.raises(DataError, match=words) as told:
        open_dataset(folder)
    assert "\n" not in str(told.value)


def cut(file):
    file.write_bytes(file.read_bytes()[:-3])


@pytest.mark.parametrize(
    ("name", "damage", "words"),
    [
        ("train-images-idx3-ubyte", cut, "says .* values and has"),
        ("t10k-labels-idx1-ubyte.gz", cut, "cannot be read"),
        ("train-images-idx3-ubyte", lambda file: file.write_bytes(b"\0\0\x08\x01\0\0"), "no IDX file of 3"),
        ("t10k-images-idx3-ubyte", lambda file: file.unlink(), "there is no t10k-images"),
    ],
)
def test_a_damaged_idx_file_is_told_in_one_line(mnist, name, damage, words):
    folder, _ = mnist
    damage(folder / name)
    with pytest.raises(DataError, match=words) as told:
        open_dataset(folder)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"offset_train": np.array([0, 5, 3])}, "offset_train does not rise"),
        ({"offset_test": np.array([0, 10, 10**6])}, "offset_test does not rise"),
        ({"jpeg_test": np.zeros(10**4, np.uint8)}, "picture 0 of test is no picture"),
        ({"y_train": np.arange(3)}, "10 pictures with labels of shape"),
        ({"y_train": np.arange(10) - 1}, "labels below 0"),
    ],
)
def test_a_damaged_npz_of_jpegs_is_told_in_one_line(tmp_path, changes, words):
    jpeg_archive(tmp_path / "data.npz", **changes)
    with pytest.raises(DataError, match=words) as told:
        open_dataset(tmp_path / "data.npz")
    assert "\n" not in str(told.value)


def test_what_is_no_data_set_is_told(tmp_path):
    with pytest.raises(DataError, match="no folder and no"):
        open_dataset(tmp_path / "nothing")
    with pytest.raises(DataError, match="is no data set"):
        open_dataset(tmp_path)
    np.savez(tmp_path / "other.npz", values=np.zeros(3))
    with pytest.raises(DataError, match="it has no array y_train, but values"):
        open_dataset(tmp_path / "other.npz")
    (tmp_path / "text.npz").write_text("no archive")
    with pytest.raises(DataError, match="cannot be read"):
        open_dataset(tmp_path / "text.npz")
