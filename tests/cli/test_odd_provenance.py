"""Provenance and metrics are free JSON: whatever a stranger's trace says there, every command reads it."""

import pytest

from traces import Tiny

READ = {
    "provenance": (
        "left_out",
        "clamped",
        "calibration_pictures",
        "data_set",
        "images",
        "seed",
        "source",
        "weights",
    ),
    "metrics": ("accuracy", "accuracy_float", "accuracy_pictures", "test_images"),
}
HUGE = 10**400  # an integer that is no float
ODD = {
    "null": None,
    "true": True,
    "negative": -1,
    "huge": HUGE,
    "least": 5e-324,
    "largest": 1.7e308,
    "empty": "",
    "escape": "\x1b[31m\r\n",
    "long": "9" * 5000,
    "list": [1, [None]],
    "object": {"a": {"b": [1]}},
    "layer": [{"layer": "x", "why": "y", "macs": HUGE}, {"layer": 1, "macs": -5}, {"macs": True}],
    "map": [{"map": "m", "values": HUGE, "overshoot": 1.7e308}, {"map": 1, "values": 2, "overshoot": HUGE}],
}


@pytest.fixture(params=ODD)
def trace(request, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Tiny().write(
        "t.zip", **{part: dict.fromkeys(names, ODD[request.param]) for part, names in READ.items()}
    )


@pytest.mark.parametrize(
    "words",
    [
        ("info",),
        ("run", "--out", "out"),
        ("compare", "t.zip", "--out", "out"),
        ("widths", "--bits", "8"),
        ("reproduce", "-o", "out"),
        ("export", "timeline", "-o", "out"),
    ],
    ids=lambda words: words[0],
)
def test_every_command_reads_a_trace_whatever_its_free_fields_hold(hwsim, trace, words):
    command, *options = words
    code, out, error = hwsim(command, trace, *options)
    assert (code, "fault of hwsim" in error) == (0, False), error
    assert (out + error).replace("\n", "").isprintable()
