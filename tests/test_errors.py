"""Errors live in one file, and that file names them all."""

import ast
from pathlib import Path

import hwsim
from hwsim import errors

ROOT = Path(hwsim.__file__).parents[1]
SOURCES = sorted([*ROOT.glob("hwsim/**/*.py"), *ROOT.glob("rtl/hwsim_rtl/**/*.py")])


def is_error(node: ast.ClassDef) -> bool:
    return any(ast.unparse(base).endswith(("Error", "Exception", "Warning")) for base in node.bases)


def test_no_other_file_declares_an_error():
    elsewhere = [
        f"{path.relative_to(ROOT)}: {node.name}"
        for path in SOURCES
        if path != Path(errors.__file__)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef) and is_error(node)
    ]
    assert elsewhere == []


def test_every_error_is_named_and_is_of_the_one_family():
    declared = {name: value for name, value in vars(errors).items() if isinstance(value, type)}
    assert sorted(declared) == errors.__all__
    for error in declared.values():
        assert issubclass(error, errors.HwsimError)
        assert (error.__doc__ or "").endswith(".")
