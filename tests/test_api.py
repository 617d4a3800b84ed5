"""The short names of the package work whatever was imported before, and importing it stays light."""

import subprocess
import sys


def run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_importing_the_package_loads_no_heavy_library():
    heavy = "numba", "zarr", "scipy", "matplotlib", "torch", "dask", "pandas", "pyarrow"
    loaded = run(f"import hwsim, sys; print(*(set({heavy}) & set(sys.modules)))")
    assert loaded.split() == []


def test_every_public_name_is_there_and_callable_after_its_modules_were_imported():
    code = (
        "import hwsim.machine.simulation, hwsim.trace, hwsim.arch, hwsim.sweep, hwsim\n"
        "print(*(name for name in hwsim.__all__ if not callable(getattr(hwsim, name))))"
    )
    assert run(code).split() == []


def test_dir_shows_the_public_names_alone():
    assert run("import hwsim; print(dir(hwsim) == sorted([*hwsim.__all__, '__version__']))") == "True\n"


def test_an_unknown_name_is_an_attribute_error():
    assert "no attribute 'simulat'" in run(
        "import hwsim\ntry: hwsim.simulat\nexcept AttributeError as error: print(error)"
    )
