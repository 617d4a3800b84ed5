"""The tutorial runs, from a clean kernel, and prints what it says it prints."""

from copy import deepcopy
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parents[2] / "docs" / "tutorial.ipynb"


def printed(notebook: nbformat.NotebookNode) -> list[list[str]]:
    """Text of every code cell's outputs; a picture is told by its kind alone, as its bytes may differ."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return [[text(output) for output in cell.outputs] for cell in cells]


def text(output: nbformat.NotebookNode) -> str:
    if output.output_type == "stream":
        return f"{output.name}: {output.text}"
    return "picture" if "image/png" in output.data else output.data["text/plain"]


@pytest.fixture(scope="module")
def stored() -> nbformat.NotebookNode:
    return nbformat.read(NOTEBOOK, as_version=4)


@pytest.fixture(scope="module")
def fresh(stored, tmp_path_factory) -> nbformat.NotebookNode:
    notebook = deepcopy(stored)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = []
    folder = tmp_path_factory.mktemp("tutorial")
    client = NotebookClient(
        notebook, timeout=120, coalesce_streams=True, resources={"metadata": {"path": str(folder)}}
    )
    client.execute()
    assert not list(folder.iterdir()), "the tutorial leaves files behind"
    return notebook


def test_the_tutorial_prints_what_its_stored_outputs_say(stored, fresh):
    assert printed(stored) == printed(fresh), "run 'make tutorial' and read what became of its text"


def test_the_tutorial_warns_of_nothing(fresh):
    assert not [text for cell in printed(fresh) for text in cell if text.startswith("stderr")]


def test_every_cell_of_code_shows_something(fresh):
    assert all(printed(fresh))
