"""A page in Debian's Chromium, without a window: what it became, and what went wrong in it."""

import html
import json
import re
import shutil
import subprocess
from pathlib import Path

_WATCH = """<script>
window.problems = [];
addEventListener("error", (event) => window.problems.push(event.message));
for (const kind of ["error", "warn"]) console[kind] = (...words) => window.problems.push(words.join(" "));
</script>"""
_TELL = """<script>
try { %s } catch (error) { window.problems.push(String(error)); }
document.body.dataset.problems = JSON.stringify(window.problems);
</script></body>"""


# Chromium's windows are 500 pixels wide or more: a narrower page stands in a frame, whose document is told.
_NARROWEST = 500
_FRAME = """<!doctype html><body style="margin: 0">
<iframe src="watched.html" style="border: 0; width: %dpx; height: 900px"></iframe><script>
setTimeout(() => {
  const frame = document.querySelector("iframe");
  document.documentElement.innerHTML = frame.contentDocument.documentElement.innerHTML;
}, 2000);
</script></body>"""


def document_after(page: Path, folder: Path, script: str = "", width: int = 1200, dark: bool = False) -> str:
    """The document of a page once its scripts and then ``script`` have run, in a window of a width.

    See :func:`problems` for what went wrong meanwhile.
    """
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    assert program, "the pages are tested in Chromium: apt-get install chromium"
    text = page.read_text(encoding="utf-8").replace("<head>", "<head>" + _WATCH, 1)
    watched = folder / "watched.html"
    watched.write_text(text.replace("</body>", _TELL % script), encoding="utf-8")
    framed = folder / "framed.html"
    framed.write_text(_FRAME % width, encoding="utf-8")
    shown = framed if width < _NARROWEST else watched
    done = subprocess.run(
        [
            program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
            "--no-first-run", f"--user-data-dir={folder / 'profile'}", f"--window-size={width},900",
            f"--blink-settings=preferredColorScheme={0 if dark else 1}",
            "--allow-file-access-from-files", "--virtual-time-budget=4000", "--dump-dom", shown.as_uri(),
        ],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    return done.stdout


def problems(document: str) -> list[str]:
    """Errors and warnings of a page, from its document."""
    return json.loads(html.unescape(re.findall(r'data-problems="([^"]*)"', document)[0]))
