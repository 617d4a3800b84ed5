"""Pages as they are seen: wide and narrow, light and dark, no label over another and nothing cut off."""

import html
import json
import re

import pytest
from headless import document_after, problems
from sweeps import grid

from hwsim import Arch, open_trace, simulate
from hwsim.peers import peers_named
from hwsim.report.codecs import measure
from hwsim.report.comparison import Comparison
from hwsim.report.contents import Report
from hwsim.report.diagnosis import Diagnosis
from hwsim.report.peers import Beside
from hwsim.report.peers_page import write_peers
from hwsim.report.sweep.page import sweep_page
from hwsim.report.sweep.plots import draw_sweep
from hwsim.report.sweep.summary import Summary
from hwsim.report.timeline import timeline
from hwsim.report.write import write_comparison, write_report
from hwsim.reproduce.widths import at_widths
from hwsim.reproduce.widths_page import write_widths

# Boxes of letters that are drawn, less their leading, and of what must hold them; in pixels of the page.
SCRIPT = """
const found = { over: [], out: [], wide: [], colours: [], width: innerWidth };
const letters = (node) => {
  const box = node.getBoundingClientRect(), lead = box.height * 0.2;
  const [top, bottom] = [box.top + lead, box.bottom - lead];
  return { left: box.left, right: box.right, top, bottom, words: node.textContent };
};
const inside = (one, frame) => one.left > frame.left - 1 && one.right < frame.right + 1
  && one.top > frame.top - 1 && one.bottom < frame.bottom + 1;
const meet = (one, other) => one.left < other.right - 1 && other.left < one.right - 1
  && one.top < other.bottom && other.top < one.bottom;
for (const svg of document.querySelectorAll("svg")) {
  const frame = svg.getBoundingClientRect(), name = svg.getAttribute("aria-label");
  const boxes = [...svg.querySelectorAll("text")].filter((node) => node.textContent.trim()).map(letters);
  boxes.forEach((one, at) => {
    if (!inside(one, frame)) found.out.push(`${name}: ${one.words}`);
    for (const other of boxes.slice(at + 1))
      if (meet(one, other)) found.over.push(`${name}: ${one.words} / ${other.words}`);
  });
}
for (const node of document.querySelectorAll("main *")) {
  if (node.closest("svg, .scroll, select, script") || getComputedStyle(node).display === "inline") continue;
  if (node.clientWidth && node.scrollWidth > node.clientWidth + 1)
    found.wide.push(`${node.tagName}: ${node.textContent.slice(0, 40)}`);
}
if (document.documentElement.scrollWidth > innerWidth) found.wide.push("the page");
const clear = (node) => /, 0\\)|transparent/.test(getComputedStyle(node).backgroundColor);
for (const node of [document.querySelector("h1"), document.querySelector(".scroll td")]) {
  if (!node) continue;
  let ground = node;
  while (clear(ground) && ground.parentElement) ground = ground.parentElement;
  found.colours.push([getComputedStyle(node).color, getComputedStyle(ground).backgroundColor]);
}
document.body.dataset.looks = JSON.stringify(found);
"""
PAGES = ("lenet5", "mobilenet", "inception", "comparison", "peers", "sweep", "widths")


def made(place, folder, arch=None, **more):
    """A report of the first image of a shipped trace."""
    with open_trace(place) as trace:
        result = simulate(trace, arch, images=[0])
        about = {name: make(trace, result) for name, make in more.items()}
        return write_report(Report.of(trace, result, **about), folder)[-1]


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """A page by its name, made when it is first asked for."""
    known = {}

    def page(name):
        if name in known:
            return known[name]
        folder = tmp_path_factory.mktemp(name)
        if name == "lenet5":
            known[name] = made("lenet5_digits/sparse", folder, answers=Diagnosis.of)
        elif name == "mobilenet":
            drawn = lambda trace, result: timeline(trace, result.arch, 0, "conv5.pw")  # noqa: E731
            known[name] = made("mobilenet_v1_imagenet/baseline", folder, timeline=drawn)
        elif name == "inception":
            known[name] = made("inception_v3/baseline", folder)
        elif name == "comparison":
            sides = []
            for variant in ("baseline", "l1_fatrelu"):
                with open_trace(f"resnet18_cifar10/{variant}") as trace:
                    result = simulate(trace, images=[0])
                    sides.append((result, dict(trace.metrics), measure(trace, result)))
            (a, of_a, maps_a), (b, of_b, maps_b) = sides
            known[name] = write_comparison(
                Comparison(a, b, of_a, of_b, maps_a=maps_a, maps_b=maps_b), folder
            )[-1]
        elif name == "widths":
            with open_trace("mobilenet_v1_cifar10/l1_fatrelu") as trace:
                known[name] = write_widths(at_widths(trace, Arch(), [0], (16, 12, 8, 4)), folder)[-1]
        elif name == "sweep":
            found = Summary(widely_spread())
            known[name] = folder / "sweep.html"
            known[name].write_text(sweep_page(found, draw_sweep(found)), encoding="utf-8")
        else:
            with open_trace("mobilenet_v1_cifar10/baseline") as trace:
                machines = peers_named(("systolic", "cnvlutin", "scnn"), Arch().peak_macs)
                beside = Beside.of(trace, simulate(trace, images=[0]), machines)
            known[name] = write_peers(beside, folder)[-1]
        return known[name]

    return page


def widely_spread():
    """A sweep over two traces, of long names and values that differ by half a power of ten and by three."""
    return grid(
        {"bytes_per_cycle": [8, 16, 32], "cores": [4, 8, 16, 32], "map_buffer": [65_536, 524_288]},
        lambda cores, bytes_per_cycle, map_buffer: 2e6 / cores + 4e5 / bytes_per_cycle,
        {"cycles": {"max": 500_000}},
        ("mobilenet_v1_imagenet/baseline.zarr.zip", "resnet18_cifar10/l1_fatrelu.zarr.zip"),
        energy_uj=lambda cores, bytes_per_cycle, map_buffer: 90.0 + cores + map_buffer / 1e5,
        dram_bytes=lambda cores, bytes_per_cycle, map_buffer: 3e13 / map_buffer**1.4,
    )


def looks(page, width, dark=False) -> dict:
    document = document_after(page, page.parent, SCRIPT, width, dark)
    assert problems(document) == []
    (found,) = re.findall(r'data-looks="([^"]*)"', document)
    return json.loads(html.unescape(found))


def brightness(colour: str) -> float:
    red, green, blue = map(float, re.findall(r"[\d.]+", colour)[:3])
    return (0.299 * red + 0.587 * green + 0.114 * blue) / 255


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("width", [1400, 390])
def test_no_label_lies_over_another_and_nothing_is_cut_off(pages, name, width):
    seen = looks(pages(name), width)
    assert seen["width"] == width
    assert (seen["over"], seen["out"], seen["wide"]) == ([], [], [])


@pytest.mark.parametrize(
    ("dark", "name"),
    [(False, "lenet5"), (True, "lenet5"), (True, "comparison"), (False, "sweep"), (True, "sweep")],
)
def test_letters_stand_out_from_the_ground_in_light_and_in_dark(pages, name, dark):
    for ink, ground in looks(pages(name), 1400, dark)["colours"]:
        assert abs(brightness(ink) - brightness(ground)) > 0.6
        assert (brightness(ground) < 0.5) == dark


def test_a_label_over_another_and_one_beyond_the_edge_are_seen(tmp_path):
    bad = tmp_path / "bad.html"
    texts = (
        '<text x="10" y="20">one</text><text x="14" y="22">other</text><text x="190" y="60">long words</text>'
    )
    bad.write_text(
        '<head></head><body><main><h1>x</h1><svg width="200" height="80" aria-label="p">'
        f"{texts}</svg></main></body>"
    )
    seen = looks(bad, 1400)
    assert seen["over"] == ["p: one / other"]
    assert seen["out"] == ["p: long words"]
