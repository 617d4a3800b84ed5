"""Scripts of docs/pictures, which are no modules of a package."""

from importlib import util
from pathlib import Path
from types import ModuleType

PICTURES = Path(__file__).parents[1] / "docs" / "pictures"


def load(name: str) -> ModuleType:
    """A script, imported."""
    spec = util.spec_from_file_location(name, PICTURES / f"{name}.py")
    assert spec
    assert spec.loader
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
