"""Pages that are made of other files: the program's commands, notebooks, and what lies beside ``docs/``.

Links are written as they work on a repository host; here they become those of the site.
"""

from __future__ import annotations

import posixpath
import re
import subprocess
import sys
from pathlib import Path

import nbconvert
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from hwsim.cli.main import EPILOG

ROOT = Path(__file__).parents[2]
OUTSIDE = {  # file, and page in its place
    "CHANGELOG.md": "changelog.md",
    "SECURITY.md": "security.md",
    "rtl/README.md": "rtl.md",
}
_LINK = re.compile(r"(\]\()([^)#:\s]+)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that no file in ``docs/`` holds."""
    contents: dict[str, str | bytes] = {"cli.md": _commands()}
    for source, page in OUTSIDE.items():
        contents[page] = (ROOT / source).read_text(encoding="utf-8")
    for file in files:
        if file.src_uri.endswith(".ipynb"):
            contents |= _notebook(file)
    for path, content in contents.items():
        files.append(File.generated(config, path, content=content))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Links to notebooks and to files beside ``docs/`` lead to their pages."""
    here = page.file.src_uri
    sources = {made: source for source, made in OUTSIDE.items()}
    start = posixpath.dirname(sources.get(here, f"docs/{here}"))

    def link(match: re.Match[str]) -> str:
        target = posixpath.relpath(posixpath.join(start, match[2]), "docs")
        target = _page_of(OUTSIDE.get(posixpath.normpath(f"docs/{target}"), target))
        return match[1] + posixpath.relpath(target, posixpath.dirname(here) or ".")

    return _LINK.sub(link, markdown)


def _page_of(path: str) -> str:
    """The page of a file in ``docs/``: itself, unless it is a notebook."""
    return path.replace(".ipynb", ".md")


def _commands() -> str:
    """All commands and their options; no lists of them, and the exit codes, which end each help, once."""
    arguments = [
        sys.executable,
        "-m",
        "typer",
        str(Path(__file__).with_name("program.py")),
        "utils",
        "docs",
        "--name",
        "hwsim",
    ]
    done = subprocess.run(
        [*arguments, "--title", "Commands"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    start, *rest = re.sub(r"\*\*Commands\*\*:\n\n(\* .*\n)+", "", done.stdout).split(EPILOG)
    return start + EPILOG + "".join(rest)


def _notebook(file: File) -> dict[str, str | bytes]:
    """A page of its cells with the outputs that it holds, and the pictures among them."""
    text, resources = nbconvert.MarkdownExporter().from_filename(str(ROOT / "docs" / file.src_uri))
    folder = posixpath.dirname(file.src_uri)
    pictures = {posixpath.join(folder, name): picture for name, picture in resources["outputs"].items()}
    return {_page_of(file.src_uri): text, **pictures}
