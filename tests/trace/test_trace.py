"""A trace comes back to the last value, or is refused with one clear line."""

import hashlib
import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import tempfile
import tracemalloc
import uuid
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_layers import layers

from hwsim.errors import TraceError
from hwsim.layer import Layer
from hwsim.trace import MapInfo, TraceWriter, header, open_trace
from traces import Tiny

KINDS = ("folder", "zip", "file", "memory")


def place(kind: str, folder: Path) -> str:
    """A fresh place for a trace."""
    return {
        "folder": f"{folder}/t",
        "zip": f"{folder}/t.zip",
        "file": f"file://{folder}/u",
        "memory": f"memory://{uuid.uuid4()}/t",
    }[kind]


def refusal(action) -> str:
    """The message of the TraceError that an action must end in: one printable line."""
    with pytest.raises(TraceError) as error:
        action()
    message = str(error.value)
    assert message
    assert message.isprintable()
    return message


def read_all(where) -> None:
    """Open and check."""
    with open_trace(where) as trace:
        trace.check()


def assert_refused_or_equal(where, tiny: Tiny) -> bool:
    """Whether a damaged trace was refused; if not, it holds what was written."""
    try:
        read_all(where)
    except TraceError:
        refusal(lambda: read_all(where))
        return True
    with open_trace(where) as trace:
        tiny.assert_equal(trace)
    return False


def is_inner_group(where: Path, path: Path) -> bool:
    """Metadata of a group below the root: it is there for other Zarr readers, ours does not need it."""
    return path.name == "zarr.json" and path.parent != where and '"group"' in path.read_text()


def edit(path: Path, change) -> None:
    """Change a JSON file in place."""
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


def sign(root: dict) -> None:
    """Make the checksum of edited metadata right again."""
    ours = root["attributes"]["hwsim"]
    ours["sha256"] = header._digest(header._canonical(ours["trace"]))


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=10)
@given(images=st.integers(1, 3), seed=st.integers(0, 2**32 - 1), weight_bits=st.integers(2, 16))
def test_a_trace_comes_back_to_the_last_value(kind, images, seed, weight_bits):
    tiny = Tiny(images, seed, weight_bits)
    with tempfile.TemporaryDirectory() as folder:
        where = tiny.write(place(kind, Path(folder)))
        with open_trace(where) as trace:
            assert trace.title == where
            trace.check()
            tiny.assert_equal(trace)
            copy = pickle.loads(pickle.dumps(trace))
            tiny.assert_equal(copy)
            copy.close()


@given(layers())
def test_layers_of_every_kind_come_back(layer):
    info = MapInfo(layer.input, layer.in_shape, 8, 0, False, 1.0)
    whole = header.Header("n", "v", True, {}, {}, 1, 8, (layer,), (info,), {layer.input: (0,)})
    assert header.load(header.dump(whole), "t") == whole


def test_a_layer_is_stored_as_it_was_before_there_were_further_kinds():
    """So old traces open, and keep their digest."""
    stored_layers = (
        Layer("a", "conv", "x", (2, 9, 9), (2, 4, 4), (3, 3), (2, 2)),
        Layer("b", "depthwise", "x", (2, 9, 9), (2, 9, 9)),
    )
    whole = header.Header(
        "n", "v", True, {}, {}, 1, 8, stored_layers, (MapInfo("x", (2, 9, 9), 8, 0, False, 1.0),)
    )
    stored = json.loads(header.dump(whole))["attributes"]["hwsim"]["trace"]["layers"]
    before = {
        "name",
        "kind",
        "input",
        "in_shape",
        "out_shape",
        "kernel",
        "stride",
        "padding",
        "relu",
        "output",
    }
    assert [layer.keys() for layer in stored] == [before, before]
    assert [layer["stride"] for layer in stored] == [2, 1]


def test_any_zarr_reader_reads_it(tmp_path):
    import zarr

    tiny = Tiny()
    group = zarr.open_group(tiny.write(tmp_path / "t"), mode="r")
    assert group.attrs["hwsim"]["trace"]["network"] == "tiny"
    assert group["maps/000_image"].shape == (2, 3, 5, 4)
    assert group["maps/000_image"].chunks == (1, 3, 5, 4)
    np.testing.assert_array_equal(group["maps/000_image"][1], tiny.codes("image", 1))
    np.testing.assert_array_equal(group["maps/001__fc_in_put"][1], tiny.codes("/fc/in put", 1))
    np.testing.assert_array_equal(group["layers/000_conv/weights"], tiny.weights(tiny.layers[0]))
    assert group["layers/000_conv/weights"].dtype == np.int8


def test_a_zip_is_read_through_a_url(tmp_path):
    import fsspec

    tiny = Tiny()
    url = f"memory://{uuid.uuid4()}.zip"
    with fsspec.open(url, "wb") as file:
        file.write(Path(tiny.write(tmp_path / "t.zip")).read_bytes())
    tiny.assert_equal(open_trace(url))
    tiny.assert_equal(open_trace(f"zip::file://{tmp_path}/t.zip"))


def test_a_large_map_is_cut_into_chunks_by_channels(tmp_path, monkeypatch):
    monkeypatch.setattr("hwsim.trace.arrays.CHUNK_BYTES", 2 * 2 * 5 * 4)
    where = Tiny().write(tmp_path / "t")
    assert json.loads((where / "maps/000_image/zarr.json").read_text())["chunk_grid"]["configuration"] == {
        "chunk_shape": [1, 2, 5, 4]
    }
    Tiny().assert_equal(open_trace(where))


def test_a_trace_without_weights_says_so(tmp_path):
    tiny = Tiny()
    with tiny.writer(tmp_path / "t", synthetic=True) as writer:
        for image in range(2):
            for info in tiny.maps:
                writer.write_map(info.name, image, tiny.codes(info.name, image))
    trace = open_trace(tmp_path / "t")
    trace.check()
    assert trace.synthetic
    assert "has no weights of conv" in refusal(lambda: trace.weights("conv"))
    assert "has no weights of conv" in refusal(lambda: trace.weight_scale("conv"))
    assert "has no requantization of fc" in refusal(lambda: trace.requantize(tiny.layers[1]))


def test_unknown_maps_images_and_layers_are_named(tmp_path):
    trace = open_trace(Tiny().write(tmp_path / "t"))
    assert "has no map conv9; it has image" in refusal(lambda: trace.map("conv9", 0))
    assert "has no image 2; it has 0 .. 1" in refusal(lambda: trace.map("image", 2))
    assert "has no image -1" in refusal(lambda: trace.map("image", -1))
    assert "has no layer pool" in refusal(lambda: trace.weights("pool"))


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_a_trace_larger_than_memory_is_written_and_read_map_by_map(kind, tmp_path):
    shape, images = (16, 128, 128), 32
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 1 << 16, shape).astype(np.uint16)  # does not compress
    layer = Layer("l", "conv", "x", shape, shape)
    writer = TraceWriter(
        place(kind, tmp_path),
        network="n",
        variant="v",
        synthetic=True,
        provenance={},
        layers=[layer],
        maps=[MapInfo("x", shape, 16, 0, False, 1.0)],
        images=images,
    )
    with writer as warm:
        warm.write_map("x", 0, codes)
        tracemalloc.start()
        for image in range(1, images):
            warm.write_map("x", image, codes)
    written = tracemalloc.get_traced_memory()[1]
    with open_trace(place(kind, tmp_path)) as trace:
        trace.map("x", 0)
        tracemalloc.reset_peak()
        trace.check()
        read = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert images * codes.nbytes > 12 << 20
    assert max(written, read) < 6 * codes.nbytes  # the map, its chunk and a few buffers, not all images


def test_every_flipped_byte_of_every_file_is_refused_or_harmless(tmp_path):
    tiny = Tiny()
    where = tiny.write(tmp_path / "t")
    rng = np.random.default_rng(0)
    refused = set()
    files = sorted(path for path in where.rglob("*") if path.is_file())
    for path in files:
        good = path.read_bytes()
        offsets = range(len(good)) if len(good) < 8 else rng.choice(len(good), 8, replace=False)
        for offset in offsets:
            bad = bytearray(good)
            bad[offset] ^= int(rng.integers(1, 256))
            path.write_bytes(bad)
            if assert_refused_or_equal(where, tiny):
                refused.add(path)
        path.write_bytes(good)
    tiny.assert_equal(open_trace(where))
    assert {path for path in files if not is_inner_group(where, path)} == refused


def test_every_missing_or_empty_file_is_refused_or_harmless(tmp_path):
    tiny = Tiny()
    where = tiny.write(tmp_path / "t")
    for path in sorted(path for path in where.rglob("*") if path.is_file()):
        good = path.read_bytes()
        harmless = is_inner_group(where, path)
        path.write_bytes(b"")
        assert assert_refused_or_equal(where, tiny) != harmless, path
        path.unlink()
        assert assert_refused_or_equal(where, tiny) != harmless, path
        path.write_bytes(good)


def test_a_zip_cut_anywhere_is_refused(tmp_path):
    good = Path(Tiny().write(tmp_path / "t.zip")).read_bytes()
    cut = tmp_path / "cut.zip"
    for length in [0, 1, 4, 30, *range(100, len(good), len(good) // 40), *range(len(good) - 30, len(good))]:
        cut.write_bytes(good[:length])
        message = refusal(lambda: read_all(cut))
        assert ("truncated zip file" in message) == (length >= 2)


def test_a_flipped_byte_of_a_zip_is_refused_or_harmless(tmp_path):
    tiny = Tiny()
    good = Path(tiny.write(tmp_path / "t.zip")).read_bytes()
    rng = np.random.default_rng(0)
    bad = tmp_path / "bad.zip"
    refused = 0
    for offset in rng.choice(len(good), 150, replace=False):
        data = bytearray(good)
        data[offset] ^= int(rng.integers(1, 256))
        bad.write_bytes(data)
        refused += assert_refused_or_equal(bad, tiny)
    assert refused > 75


@pytest.mark.parametrize("kind", KINDS)
def test_a_capture_that_fails_leaves_no_trace(kind, tmp_path):
    where = place(kind, tmp_path)

    def capture():
        with Tiny().writer(where) as writer:
            writer.write_map("image", 0, Tiny().codes("image", 0))
            raise KeyError("the network")

    with pytest.raises(KeyError, match="the network"):
        capture()
    assert "there is no trace at" in refusal(lambda: open_trace(where))
    assert list(tmp_path.iterdir()) == []
    Tiny().assert_equal(open_trace(Tiny().write(where)))


def test_a_remote_capture_under_way_is_no_trace():
    where = f"memory://{uuid.uuid4()}/t"
    with Tiny().writer(where) as writer:
        assert "interrupted" in refusal(lambda: open_trace(where))
        Tiny().fill(writer)
        assert "interrupted" in refusal(lambda: open_trace(where))
    Tiny().assert_equal(open_trace(where))


KILLED = """
import os, signal, sys
sys.path.insert(0, sys.argv[2])
from traces import Tiny
with Tiny().writer(sys.argv[1]) as writer:
    Tiny().fill(writer)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("kind", ["folder", "zip", "file"])
def test_a_killed_capture_leaves_no_trace_and_can_be_repeated(kind, tmp_path):
    where = place(kind, tmp_path)
    tests = str(Path(__file__).parents[1])
    done = subprocess.run([sys.executable, "-c", KILLED, where, tests], check=False, capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert "there is no trace at" in refusal(lambda: open_trace(where))
    (partial,) = tmp_path.iterdir()
    assert partial.suffix == ".partial"
    refusal(lambda: read_all(partial))
    assert f"{partial} exists" in refusal(lambda: Tiny().write(where))
    Tiny().assert_equal(open_trace(Tiny().write(where, overwrite=True)))
    assert not partial.exists()


@pytest.mark.parametrize("kind", KINDS)
def test_a_trace_is_replaced_only_on_demand(kind, tmp_path):
    old, new = Tiny(seed=1), Tiny(seed=2)
    where = old.write(place(kind, tmp_path))
    assert "exists: remove it" in refusal(lambda: new.write(where))
    old.assert_equal(open_trace(where))
    new.assert_equal(open_trace(new.write(where, overwrite=True)))
    assert len(list(tmp_path.iterdir())) == (kind != "memory")


def test_a_replaced_remote_trace_leaves_nothing_behind():
    import fsspec

    url = f"memory://{uuid.uuid4()}/t"
    files = []
    for images in (1, 3, 1):
        Tiny(images).write(url, overwrite=True)
        files.append(set(fsspec.filesystem("memory").find(url)))
    assert files[0] == files[2] < files[1]


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_a_failed_replacement_keeps_the_old_trace(kind, tmp_path):
    where = Tiny(seed=1).write(place(kind, tmp_path))

    def capture():
        with Tiny(seed=2).writer(where, overwrite=True) as writer:
            Tiny(seed=2).fill(writer)
            raise KeyError("the network")

    with pytest.raises(KeyError, match="the network"):
        capture()
    Tiny(seed=1).assert_equal(open_trace(where))


def test_what_is_no_trace_is_never_overwritten(tmp_path):
    import fsspec

    (tmp_path / "notes").mkdir()
    (tmp_path / "notes/a.txt").write_text("mine")
    (tmp_path / "b.zip").write_text("mine")
    for name in ("notes", "b.zip"):
        message = refusal(lambda name=name: Tiny().write(tmp_path / name, overwrite=True))
        assert "is not a trace, it is left alone" in message
    url = f"memory://{uuid.uuid4()}"
    with fsspec.open(f"{url}/a.txt", "w") as file:
        file.write("mine")
    assert "is not a trace, it is left alone" in refusal(lambda: Tiny().write(url, overwrite=True))
    assert (tmp_path / "notes/a.txt").read_text() == (tmp_path / "b.zip").read_text() == "mine"
    assert "written to a local path" in refusal(lambda: Tiny().write(f"{url}.zip"))


def test_a_map_that_was_not_written_is_named(tmp_path):
    def capture():
        with Tiny().writer(tmp_path / "t") as writer:
            for image, name in ((0, "image"), (0, "/fc/in put"), (1, "/fc/in put")):
                writer.write_map(name, image, Tiny().codes(name, image))

    assert "map image of image 1 was not written" in refusal(capture)
    assert list(tmp_path.iterdir()) == []


CODES = Tiny().codes("image", 0)
CONV = Tiny().layers[0]
WEIGHTS = Tiny().weights(CONV)


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda w: w.write_map("pool", 0, CODES), "has no map pool"),
        (lambda w: w.write_map("image", 2, CODES), "map image, image 2: there are images 0 .. 1"),
        (
            lambda w: w.write_map("image", 0, CODES[1:]),
            r"must be integers of shape (3, 5, 4), not uint16 (2, 5, 4)",
        ),
        (lambda w: w.write_map("image", 0, CODES / 2), "not float64"),
        (lambda w: w.write_map("image", 0, CODES + np.uint16(255)), "must be within 0 .. 255"),
        (lambda w: w.write_map("image", 0, CODES.astype(int) - 1), "must be within 0 .. 255"),
        (lambda w: [w.write_map("image", 0, CODES) for _ in range(2)], "map image, image 0 is written twice"),
        (lambda w: w.write_weights("pool", WEIGHTS, 1.0), "has no layer pool"),
        (lambda w: w.write_weights(CONV, WEIGHTS[1:], 1.0), "weights of conv must be integers of shape"),
        (lambda w: w.write_weights(CONV, WEIGHTS * 2, 1.0), "weights of conv must be within -128 .. 127"),
        (lambda w: w.write_weights(CONV, WEIGHTS, -1.0), "scale must be one finite number above 0"),
        (lambda w: w.write_weights(CONV, WEIGHTS, np.ones(3)), "or one for each output channel"),
        (
            lambda w: [w.write_weights(CONV, WEIGHTS, 1.0) for _ in range(2)],
            "weights of conv are written twice",
        ),
        (
            lambda w: w.write_requantize("fc", Tiny().requantize(CONV)),
            "requantize of fc has 4 channels, the layer 2",
        ),
        (
            lambda w: [w.write_requantize(CONV, Tiny().requantize(CONV)) for _ in range(2)],
            "requantize of conv is written twice",
        ),
    ],
)
def test_what_does_not_fit_is_not_written(tmp_path, write, message):
    def capture():
        with Tiny().writer(tmp_path / "t") as writer:
            write(writer)

    assert message in refusal(capture)
    assert list(tmp_path.iterdir()) == []


MAPS, LAYERS = Tiny().maps, Tiny().layers


def adding(maps: tuple[str, ...] = (), results: tuple[str, ...] = ()) -> tuple[Layer, ...]:
    """The layers, of which the first adds something."""
    return (replace(LAYERS[0], adds=maps, adds_results=results), *LAYERS[1:])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": 0}, "1 image or more"),
        ({"images": 2.0}, "images"),
        ({"network": ""}, "network must be printable"),
        ({"network": "n" * 1001}, "network must be printable text, 1000 letters at most"),
        ({"network": None}, "network"),
        ({"variant": "a\nb"}, "variant must be printable"),
        ({"weight_bits": 1}, "weight_bits must be 2 .. 16"),
        ({"layers": ()}, "1 layer or more"),
        ({"layers": LAYERS[:1]}, "no layer reads map /fc/in put"),
        ({"layers": (*LAYERS, CONV)}, "two layers are called conv"),
        ({"maps": (*MAPS, MAPS[0])}, "two maps are called image"),
        ({"maps": MAPS[1:]}, "layer conv reads map image, which is not among the maps"),
        ({"layers": adding(("nothing",))}, "adds map nothing, which is not among the maps"),
        ({"layers": adding(("image", "image"))}, "adds the same twice"),
        ({"layers": adding(results=("fc",))}, "conv adds the result of fc, no layer before it"),
        ({"layers": adding(results=("conv",))}, "conv adds the result of conv, no layer before it"),
        ({"maps": (MapInfo("image", (3, 4, 5), 8, 0, False, 1.0), MAPS[1])}, "layer conv reads (3, 5, 4)"),
        ({"metrics": {"accuracy": float("nan")}}, "JSON"),
        ({"provenance": {"seed": np.arange(3)}}, "only plain numbers and text"),
    ],
)
def test_parts_that_do_not_fit_each_other_are_refused(tmp_path, changes, message):
    assert message in refusal(lambda: Tiny().writer(tmp_path / "t", **changes))
    assert list(tmp_path.iterdir()) == []


def test_what_layers_add_comes_back_and_a_trace_without_it_is_as_before(tmp_path):
    layers = (LAYERS[0], replace(LAYERS[1], adds=("image",), adds_results=(LAYERS[0].name,)), *LAYERS[2:])
    for name, mine in (("plain", LAYERS), ("adding", layers)):
        case = Tiny()
        with case.writer(tmp_path / name, layers=mine) as writer:
            case.fill(writer)
        with open_trace(tmp_path / name) as trace:
            assert tuple(trace.layers) == tuple(mine)
    assert "adds" not in (tmp_path / "plain" / "zarr.json").read_text()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": ""}, "printable"),
        ({"shape": (0, 1, 1)}, "empty"),
        ({"shape": (2**20, 2**10, 2**10)}, "more than 2\\^31"),
        ({"bits": 17}, "bits"),
        ({"bits": 1, "signed": True}, "bits"),
        ({"order": 16}, "order"),
        ({"scale": 0.0}, "scale"),
        ({"scale": float("inf")}, "scale"),
    ],
)
def test_a_map_that_makes_no_sense_is_refused(change, message):
    good = {"name": "x", "shape": (1, 1, 1), "bits": 8, "order": 0, "signed": False, "scale": 1.0}
    MapInfo(**good)
    with pytest.raises(ValueError, match=message):
        MapInfo(**{**good, **change})


def test_what_is_no_trace_gets_one_line(tmp_path):
    import zarr

    (tmp_path / "text.zip").write_text("no zip")
    (tmp_path / "folder").mkdir()
    zarr.create_array(tmp_path / "array", shape=(3,), dtype="u2")
    zarr.create_group(tmp_path / "group", attributes={"hwsim": "no"})
    zarr.create_group(tmp_path / "old", zarr_format=2)
    with zipfile.ZipFile(tmp_path / "foreign.zip", "w") as file:
        file.writestr("a.txt", "a")
    for name, message in {
        "missing": "there is no trace at",
        "x" * 5000: "opening failed",
        "text.zip": "neither a folder nor a zip file",
        "folder": "there is no trace at",
        "old": "there is no trace at",
        "foreign.zip": "there is no trace at",
        "array": "a Zarr hierarchy but not a trace",
        "group": "a Zarr hierarchy but not a trace",
    }.items():
        assert message in refusal(lambda name=name: open_trace(tmp_path / name))
    assert "opening failed" in refusal(lambda: open_trace("nosuch://host/t"))
    assert "there is no trace at" in refusal(lambda: open_trace("memory://nothing/here"))


def test_a_newer_schema_asks_for_an_upgrade(tmp_path):
    where = Tiny().write(tmp_path / "t")
    edit(where / "zarr.json", lambda root: root["attributes"]["hwsim"].update(schema=3, more={}))
    assert "has schema 3, this version reads up to 2: upgrade hwsim" in refusal(lambda: open_trace(where))


NULL = hashlib.sha256(b"null").hexdigest().encode()


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (b"{", "no valid JSON"),
        (b"\xff\xfe", "no valid JSON"),
        (b"[" * 10_000, "no valid JSON"),
        (b"[" * 100_000, "more layers, names or values than a trace may have"),
        (b" " * (25 << 20), "zarr.json has more than"),
        (b'{"attributes": {"hwsim": {"schema": 1, "sha256": "%s"}}}' % NULL, "damaged"),
        (b"[]", "not a trace"),
        (b'{"attributes": {"hwsim": {"schema": "1"}}}', "not a trace"),
        (b'{"attributes": {"hwsim": {"schema": 1}}}', "the checksum differs"),
        (b'{"attributes": {"hwsim": {"schema": 1, "trace": NaN}}}', "damaged"),
    ],
)
def test_damaged_json_gets_one_line(tmp_path, document, message):
    where = Tiny().write(tmp_path / "t")
    (where / "zarr.json").write_bytes(document)
    assert message in refusal(lambda: open_trace(where))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("images"), "images: Field required"),
        (lambda t: t.update(images="2"), "images: Input should be a valid integer"),
        (lambda t: t.update(images=3), "has 2 checksums for 3 images"),
        (lambda t: t.update(images=10**400), "262144 maps of images at most"),
        (lambda t: t.update(synthetic=0), "synthetic: Input should be a valid boolean"),
        (lambda t: t.update(network="a\x1b[31m\nb"), "printable"),
        (lambda t: t.update(layers={}), "layers"),
        (lambda t: t["layers"][0].update(kind="pool"), "layers.0.kind"),
        (lambda t: t["layers"][0].update(stride=0), "stride, dilation and groups must be 1 or more"),
        (lambda t: t["layers"][0].update(out_shape=[10**12, 5, 4]), "at most 4096, any other size 2^31"),
        (lambda t: t["layers"][0].update(out_shape=[10**9, 5, 4]), "more than 2^31 weights"),
        (lambda t: t["layers"][0].update(in_shape=[3, 5]), "layers.0.in_shape"),
        (lambda t: t["maps"][0].update(shape=[3, 4, 5]), "layer conv reads"),
        (lambda t: t["maps"][0].update(bits=99), "bits must be"),
        (lambda t: t["maps"][0].update(scale=None), "maps.0.scale"),
        (lambda t: t["checksums"].pop("image"), "checksums are not those of the maps"),
        (lambda t: t["weights"].update(pool=t["weights"]["conv"]), "a layer that is not there"),
    ],
)
def test_metadata_that_makes_no_sense_gets_one_line(tmp_path, change, message):
    where = Tiny().write(tmp_path / "t")

    def edited(root):
        change(root["attributes"]["hwsim"]["trace"])
        sign(root)

    edit(where / "zarr.json", edited)
    assert message in refusal(lambda: open_trace(where))


def chunks(array: dict) -> dict:
    return array["chunk_grid"]["configuration"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: a.update(shape=[2, 3, 5, 5]), "is uint16 [2, 3, 5, 5], not uint16 [2, 3, 5, 4]"),
        (lambda a: a.update(shape=None), "is uint16 None, not uint16 [2, 3, 5, 4]"),
        (lambda a: a.update(data_type="float32"), "is float32"),
        (lambda a: a.update(data_type={"name": "struct", "configuration": {}}), "not uint16"),
        (lambda a: a.update(data_type="int16"), "is int16"),
        (lambda a: a.update(node_type="group"), "node_type"),
        (lambda a: a.update(codecs=[{"name": "pickle", "configuration": {}}]), "codecs"),
        (lambda a: a["codecs"][0]["configuration"].update(endian="big"), "codecs"),
        (lambda a: a["codecs"].append(a["codecs"][1]), "codecs"),
        (lambda a: a["codecs"][1].update(name="gzip"), "codecs"),
        (lambda a: chunks(a).update(chunk_shape=[1, 3, 0, 4]), "chunk_grid"),
        (lambda a: chunks(a).update(chunk_shape=[1, 3, "5", 4]), "chunk_grid"),
        (lambda a: chunks(a).update(chunk_shape=[2**40] * 4), "chunk_grid"),
        (lambda a: chunks(a).update(chunk_shape=[1, 0, 5, 4]), "chunk_grid"),
        (lambda a: chunks(a).update(chunk_shape=[1, 4, 5, 4]), "chunk_grid"),
        (lambda a: chunks(a).update(chunk_shape=[2, 3, 5, 4]), "chunk_grid"),
        (lambda a: chunks(a).update(chunk_shape=[1, 3, 5, 2]), "chunk_grid"),
        (lambda a: chunks(a).update(chunk_shape=3), "chunk_grid"),
        (lambda a: chunks(a).update(chunk_shape=[1, 2, 5, 4]), "map image"),
        (lambda a: a["chunk_grid"].update(name="rectilinear"), "chunk_grid"),
        (lambda a: a["chunk_key_encoding"].update(name="other"), "chunk_key_encoding"),
        (lambda a: a.update(fill_value=1), "fill_value"),
        (lambda a: a.update(storage_transformers=[{"name": "x"}]), "storage_transformers"),
        (lambda a: a.update(attributes={"name": " " * 70000}), "more than 65536 bytes"),
        (lambda a: a.clear(), "is None None"),
    ],
)
def test_an_array_that_is_not_as_it_should_be_gets_one_line(tmp_path, change, message):
    where = Tiny().write(tmp_path / "t")
    edit(where / "maps/000_image/zarr.json", change)
    assert message in refusal(lambda: read_all(where))


def test_codes_wider_than_the_map_are_refused(tmp_path):
    where = Tiny().write(tmp_path / "t")

    def narrow(root):
        root["attributes"]["hwsim"]["trace"]["maps"][0]["bits"] = 4
        sign(root)

    edit(where / "zarr.json", narrow)
    assert "map image of image 0 has codes of more than 4 bits" in refusal(lambda: read_all(where))


def test_no_code_that_a_trace_names_is_loaded(tmp_path):
    where = Tiny().write(tmp_path / "t")
    array = where / "maps/000_image"
    edit(array / "zarr.json", lambda a: a["codecs"].append({"name": "evil", "configuration": {}}))
    (tmp_path / "evil_codec.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass Codec: pass\n")
    (tmp_path / "evil-1.dist-info").mkdir()
    (tmp_path / "evil-1.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: evil\nVersion: 1\n")
    (tmp_path / "evil-1.dist-info/entry_points.txt").write_text("[zarr.codecs]\nevil = evil_codec:Codec\n")

    def run(code: str) -> str:
        environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
        return subprocess.run(
            [sys.executable, "-c", code], env=environment, check=False, capture_output=True, text=True
        ).stderr

    ours = run(f"from hwsim.trace import open_trace; open_trace({str(where)!r}).check()")
    assert "TraceError" in ours
    assert "codecs of array maps/000_image is not as hwsim writes it" in ours
    assert not (tmp_path / "ran").exists()
    run(f"import zarr; zarr.open_array({str(array)!r}, mode='r')")
    assert (tmp_path / "ran").exists()  # Zarr alone would have


def test_a_moved_trace_is_still_one(tmp_path):
    where = Tiny().write(tmp_path / "t")
    shutil.move(where, tmp_path / "moved")
    Tiny().assert_equal(open_trace(tmp_path / "moved"))
