"""What griffe must know of the project's docstrings: roles, ports, shared descriptions, pydantic fields."""

from __future__ import annotations

import ast
import re
from typing import Any

import griffe

_ROLE = re.compile(r":(?:attr|class|data|func|meth|mod):`([\w.]+)`")
_PORTS = re.compile(r"^(Ports|Members):$", re.MULTILINE)  # of an Amaranth component, and of a signature
_NEXT_PORT = re.compile(r"[.;] (\w+(?:, \w+)*):\s+(?=In\b|Out\b)")  # several on a line
_SHARED = re.compile(r"^( +)(\w+(?:, \w+)+)(: .+(?:\n\1 +.+)*)", re.MULTILINE)  # "height, width: in pixels"

logger = griffe.get_logger("hwsim.docstrings")


class Docstrings(griffe.Extension):
    """Turn roles into links, ports into a section that griffe knows, and give every name its own entry.

    A role that names nothing is a warning; one that names what the reference leaves out becomes plain code.
    """

    def on_attribute(self, *, attr: griffe.Attribute, **_: Any) -> None:
        """The ``description`` of a pydantic field is its docstring."""
        call = attr.value
        if not isinstance(call, griffe.ExprCall) or str(call.function) != "Field":
            return
        for argument in call.arguments:
            if isinstance(argument, griffe.ExprKeyword) and argument.name == "description":
                attr.docstring = griffe.Docstring(ast.literal_eval(str(argument.value)), parent=attr)
                call.arguments = [other for other in call.arguments if other is not argument]
                return

    def on_object(self, *, obj: griffe.Object, loader: griffe.GriffeLoader, **_: Any) -> None:
        """Rewrite the docstring of an object, before it is parsed."""
        docstring = obj.docstring
        if docstring is None:
            return

        def link(role: re.Match[str]) -> str:
            try:
                target = _path(obj, role[1], loader)
            except (KeyError, griffe.GriffeError):
                logger.warning(f"{obj.filepath}:{docstring.lineno}: {role[0]} names nothing")
                return f"`{role[1]}`"
            return f'<autoref identifier="{target}" optional>`{role[1]}`</autoref>'

        def apart(shared: re.Match[str]) -> str:
            return "\n".join(f"{shared[1]}{name}{shared[3]}" for name in shared[2].split(", "))

        text = _PORTS.sub(r"Attributes: \1", docstring.value)
        text = _NEXT_PORT.sub(r".\n    \1: ", text)
        docstring.value = _ROLE.sub(link, _SHARED.sub(apart, text))


def _path(obj: griffe.Object, name: str, loader: griffe.GriffeLoader) -> str:
    """The canonical path of what a name means in the scope of an object.

    Raises:
        KeyError, griffe.GriffeError: it means nothing.
    """
    try:
        found = loader.modules_collection[name]
    except KeyError:
        first, *rest = name.split(".")
        found = loader.modules_collection[".".join([obj.resolve(first), *rest])]
    return found.canonical_path
