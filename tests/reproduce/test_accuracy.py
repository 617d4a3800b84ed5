"""Accuracy in floats and in the loop, and the labels that it is counted against."""

import gzip

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwsim.capture.plan import plan
from hwsim.errors import CaptureError
from hwsim.reproduce.labels import open_labels

torch = pytest.importorskip("torch")
from small_networks import Everything, pictures  # noqa: E402
from torch import nn  # noqa: E402

from hwsim.capture.torch_network import TorchNetwork  # noqa: E402
from hwsim.reproduce.accuracy import measure_accuracy  # noqa: E402
from hwsim.reproduce.remembered import Remembered  # noqa: E402


class Sign(nn.Module):
    """Says 1 where the only pixel is above 0.4: right in floats, wrong with the few steps of few bits."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(1, 2)
        self.fc.weight.data = torch.tensor([[0.0], [1.0]])
        self.fc.bias.data = torch.tensor([0.4, 0.0])

    def forward(self, images):
        return self.fc(images.flatten(1))


def pixels(*values):
    return [np.full((1, 1, 1), value, np.float32) for value in values]


def test_right_answers_are_counted_at_every_width():
    """With 2 bits a pixel is 0, 1/3, 2/3 or 1: 0.45 becomes 1/3, below 0.4; 0.3 is below it either way."""
    network = TorchNetwork(Sign(), "sign")
    found = measure_accuracy(
        network, pixels(0.45, 0.3, 0.7), [1, 0, 1], pixels(1.0), widths=(16, 8, 2), batch=2
    )
    assert found.correct == {"float": 3, "16": 3, "8": 3, "2": 2}
    assert (found.pictures, found.calibration_pictures) == (3, 1)


def test_classes_may_start_behind_a_background():
    network = TorchNetwork(Sign(), "sign")
    found = measure_accuracy(network, pixels(0.1, 0.9), [0, 0], pixels(1.0), widths=(), first_class=1)
    assert found.correct == {"float": 2}


def test_every_picture_is_counted_once_whatever_the_batch():
    images = pictures(7, 5)
    network = TorchNetwork(Everything(), "everything")
    with torch.no_grad():
        own = network.module(torch.from_numpy(np.stack(images))).argmax(1).numpy()
    labels = own.copy()
    labels[2] = (labels[2] + 1) % 4
    steps = []
    for batch in (1, 3, 7, 20):
        found = measure_accuracy(
            network,
            images,
            labels,
            images[:2],
            widths=(16,),
            batch=batch,
            progress=lambda done, total: steps.append((done, total)),
        )
        assert found.correct["float"] == 6
    assert steps[-1] == (14, 14)


def test_a_network_remembers_the_pictures_that_there_is_room_for():
    images, runs = pictures(3), []
    network = TorchNetwork(Everything(), "everything")
    names = [known.value for known in plan(network.graph(images[0])).maps]
    own = network.run
    network.run = lambda image, wanted: runs.append(1) or own(image, wanted)
    size = sum(value.nbytes for value in network.run(images[0], names).values())
    remembered = Remembered(network, images, 2 * size + 1)
    for wanted in (names, names[:2], names):
        for image in images:
            found, expected = remembered.run(image, wanted), own(image, wanted)
            assert found.keys() == expected.keys()
            for name in wanted:
                np.testing.assert_array_equal(found[name], expected[name])
    assert len(runs) == 1 + 2 + 3  # two pictures once, one every time
    remembered.run(images[0].copy(), names)  # equal, but perhaps not for long
    assert len(runs) == 7


def test_labels_that_are_not_one_a_picture_are_refused():
    with pytest.raises(CaptureError, match="2 pictures and 1 labels"):
        measure_accuracy(TorchNetwork(Sign(), "sign"), pixels(0, 1), [1], pixels(1.0))


NAMES = ["a.png", "b/c.png", "d.png"]


def test_labels_of_a_csv_file_go_by_the_pictures_names(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("file,class,more\nd.png,2,x\na.png,7,y\nb/c.png,0,z\nother.png,1,w\n")
    assert open_labels(path, NAMES).tolist() == [7, 0, 2]


@given(st.lists(st.integers(0, 255), min_size=1, max_size=20))
def test_labels_of_arrays_and_idx_come_back(tmp_path_factory, labels):
    folder = tmp_path_factory.mktemp("labels")
    names = [str(number) for number in range(len(labels))]
    idx = b"\0\0\x08\x01" + len(labels).to_bytes(4, "big") + bytes(labels)
    (folder / "labels.idx").write_bytes(idx)
    (folder / "labels.gz").write_bytes(gzip.compress(idx))
    np.save(folder / "labels.npy", np.array(labels))
    np.savez(folder / "labels.npz", y=np.array(labels), z=np.zeros(3))
    for name in ("labels.idx", "labels.gz", "labels.npy", "labels.npz#y"):
        assert open_labels(f"{folder}/{name}", names).tolist() == labels


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("none.csv", None, "there is no file"),
        ("few.csv", b"file,class\na.png,1\n", "lacks 2 of 3 pictures, b/c.png first"),
        ("text.csv", b"file,class\na.png,cat\n", "cannot be read as labels"),
        ("short.idx", b"\0\0\x08\x01\0\0\0\x03\1", "not what the file says"),
        ("pictures.idx", b"\0\0\x08\x03" + bytes(12), "give .csv, IDX labels"),
        ("damaged.npy", b"\x93NUMPY", "cannot be read as labels"),
        ("damaged.gz", b"\x1f\x8bxx", "cannot be read as labels"),
    ],
)
def test_a_wrong_file_of_labels_is_one_clear_line(tmp_path, name, content, reason):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(CaptureError, match=reason) as error:
        open_labels(tmp_path / name, NAMES)
    assert "\n" not in str(error.value)


def test_arrays_that_are_no_labels_are_refused(tmp_path):
    np.save(tmp_path / "floats.npy", np.zeros(3))
    np.save(tmp_path / "few.npy", np.zeros(2, int))
    np.savez(tmp_path / "two.npz", x=np.zeros(3, int), y=np.zeros(3, int))
    for name in ("floats.npy", "few.npy"):
        with pytest.raises(CaptureError, match="not one whole number for each of the 3"):
            open_labels(tmp_path / name, NAMES)
    with pytest.raises(CaptureError, match=r"two\.npz#NAME"):
        open_labels(tmp_path / "two.npz", NAMES)
