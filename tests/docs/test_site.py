"""The documentation site: whole, of one piece, and sufficient to itself."""

import os
import re
import subprocess
import sys
import zlib
from html.parser import HTMLParser
from importlib import import_module
from pathlib import Path

import pytest
from headless import document_after, problems

from hwsim.arch import Arch
from hwsim.cli.main import COMMANDS
from hwsim_rtl.core.payloads import PassConfig

ROOT = Path(__file__).parents[2]
PACKAGES = (
    "hwsim", "hwsim.codec", "hwsim.trace", "hwsim.networks", "hwsim.synthetic", "hwsim.sweep",
    "hwsim.measure", "hwsim.export", "hwsim.report.plots", "hwsim_rtl.cosim", "hwsim_rtl.synth.run",
)  # fmt: skip
COMPONENTS = (
    "hwsim_rtl.codec.decoder.Decoder", "hwsim_rtl.codec.encoder.SegEncoder", "hwsim_rtl.core.core.Core",
    "hwsim_rtl.core.launcher.Launcher", "hwsim_rtl.core.position.Positions",
    "hwsim_rtl.core.columns.ValidColumns", "hwsim_rtl.core.scatter.Scatter",
    "hwsim_rtl.core.addresses.TapAddresses", "hwsim_rtl.core.weights.WeightMemory",
    "hwsim_rtl.core.multiply.Multipliers", "hwsim_rtl.core.bank.AccumulatorBank",
    "hwsim_rtl.core.requantize.Requantizer", "hwsim_rtl.array.CoreArray",
)  # fmt: skip
# Nothing but files may be loaded, and what else a page asks for, at whatever time, is a problem.
GUARD = """<head>
<meta http-equiv="Content-Security-Policy" content="default-src file: data: blob: 'unsafe-inline'">
<script>
addEventListener("securitypolicyviolation", (event) => {
    problems.push("asks for " + event.blockedURI);
    document.body.dataset.problems = JSON.stringify(problems);
});
</script>"""
LOADING = {"script": "src", "img": "src", "iframe": "src", "source": "src", "link": "href"}
FETCHED = {"stylesheet", "icon", "preload", "preconnect", "dns-prefetch", "manifest", "modulepreload"}


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    return folder


class Loads(HTMLParser):
    """What a page makes the browser fetch by itself; links to click on are none of it."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.urls: list[str] = []
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        wanted = tag != "link" or FETCHED & set((attributes.get("rel") or "").split())
        url = attributes.get(LOADING.get(tag, ""))
        if url and wanted:
            self.urls.append(url)


def test_every_public_function_and_class_is_in_the_reference(site):
    inventory = zlib.decompress((site / "objects.inv").read_bytes().split(b"\n", 4)[4]).decode()
    documented = {line.split()[0] for line in inventory.splitlines()}
    missing = []
    for package in PACKAGES:
        module = import_module(package)
        for name in module.__all__:
            member = getattr(module, name)
            home = f"{getattr(member, '__module__', '')}.{getattr(member, '__qualname__', '')}"
            if callable(member) and not {f"{package}.{name}", home} & documented:
                missing.append(f"{package}.{name}")
    assert not missing


def test_every_command_is_described(site):
    page = (site / "cli.html").read_text(encoding="utf-8")
    assert "run" in COMMANDS
    assert not [name for name in COMMANDS if f'id="hwsim-{name}"' not in page]


@pytest.mark.parametrize("name", COMPONENTS)
def test_the_ports_of_a_component_are_described(site, name):
    page = (site / "api" / "rtl.html").read_text(encoding="utf-8")
    module, _, component = name.rpartition(".")
    of = PassConfig(Arch()) if component == "Launcher" else Arch()
    ports = getattr(import_module(module), component)(of).signature.members
    assert ports
    assert not [port for port in ports if f'title="{name}.{port}"' not in page]


def test_no_page_fetches_anything_from_elsewhere(site):
    for page in site.rglob("*.html"):
        foreign = [url for url in Loads(page).urls if re.match(r"(\w+:)?//", url)]
        assert not foreign, page.name
    for style in site.rglob("*.css"):
        text = style.read_text(encoding="utf-8")
        assert not re.search(r"(url\(|@import)\s*[\"']?(https?:)?//", text), style.name


@pytest.mark.parametrize("page", ["index.html", "tutorial.html", "api/machine.html"])
@pytest.mark.parametrize("width", [390, 1300])
def test_a_page_opens_from_a_disk_without_errors_and_fits_the_window(site, page, width):
    original = site / page
    guarded = original.with_name("guarded.html")
    guarded.write_text(original.read_text(encoding="utf-8").replace("<head>", GUARD, 1), encoding="utf-8")
    script = "document.body.dataset.wide = document.documentElement.scrollWidth - innerWidth;"
    document = document_after(guarded, guarded.parent, script, width)
    assert problems(document) == []
    assert int(re.search(r'data-wide="(-?\d+)"', document)[1]) <= 0


def test_search_works_in_a_page_opened_from_a_disk(site):
    script = """
    const search = document.querySelector("[data-md-component=search-query]");
    setTimeout(() => {
        search.focus();
        search.value = "requantizer";
        search.dispatchEvent(new Event("keyup"));
    }, 500);
    """
    document = document_after(site / "index.html", site, script)
    found = re.findall(r'href="([^"]*)" class="md-search-result__link"', document)
    assert any(url.endswith("#hwsim_rtl.core.requantize.Requantizer") for url in found), found


def test_links_between_pages_lead_to_files_of_the_repository():
    pages = [*(ROOT / "docs").rglob("*.md"), ROOT / "README.md", ROOT / "rtl" / "README.md"]
    broken = []
    for page in pages:
        text = re.sub(r"```.*?```|`[^`\n]*`", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
        for target in re.findall(r"\]\(([^)#\s]+)", text):
            if "://" not in target and not (page.parent / target).exists():
                broken.append(f"{page.relative_to(ROOT)}: {target}")
    assert not broken
