"""What is said to who finds the project: one version, and terms for all data that is shipped."""

import re
from pathlib import Path

import yaml

import hwsim
from hwsim.trace.shipped import shipped_traces

ROOT = Path(__file__).parents[1]


def test_the_citation_is_of_this_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == hwsim.__version__
    assert citation["license"] in (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def test_the_terms_of_every_shipped_folder_are_named():
    terms = (ROOT / "traces" / "LICENSES.md").read_text(encoding="utf-8")
    rows = [line for line in terms.splitlines() if line.startswith("| `")]
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row.split("|")[1])}
    assert named == {name.split("/")[0] for name in shipped_traces()}
    for name in named:
        if (ROOT / "traces" / name / "LICENSE-weights.txt").exists():
            assert any("LICENSE-weights.txt" in row for row in rows if f"`{name}`" in row)


def test_the_workflow_runs_what_everybody_runs():
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "test.yml").read_text(encoding="utf-8"))
    (job,) = workflow["jobs"].values()
    assert job["strategy"]["matrix"]["python"] == ["3.11", "3.12", "3.13", "3.14"]
    assert job["steps"][-1]["run"].startswith("make test ")
