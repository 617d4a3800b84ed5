"""The program ``hwsim``: its commands, its exit codes, and one line for every error."""

from __future__ import annotations

import logging
import os
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from typing import Annotated, Any

import typer

from hwsim.cli.start import collect_seldom
from hwsim.errors import HwsimError, one_line

OK, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130
EPILOG = (
    "Exit codes: 0 done; 1 the run failed, one line on stderr says why and what to do, "
    "or the reader of its output went away; 2 wrong usage; 130 interrupted."
)
DEBUG = "--debug"
_OUTPUTS = ("--out", "--output", "-o")
# Of click, which typer brings along under a name of its own.
_UsageError: Any = typer.BadParameter.__bases__[0]

# Where each command is, in the order of the help.
COMMANDS = {
    "run": "run",
    "compare": "compare",
    "info": "info",
    "traces": "traces",
    "capture": "capture",
    "sparsify": "sparsify",
    "synth": "synth",
    "sweep": "sweep",
    "sweep-report": "sweep",
    "measure": "measure",
    "accuracy": "accuracy",
    "widths": "widths",
    "reproduce": "reproduce",
    "export": "export",
    "compile": "compile",
    "verify": "verify",
    "arch": "arch",
    "doctor": "doctor",
    "rtl": "rtl",
}


def application(only: str | None = None) -> typer.Typer:
    """The program, with all its commands, or with one of them alone, which starts in less time."""
    app = typer.Typer(
        name="hwsim",
        help="What a zero-skipping, map-compressing CNN accelerator makes of real activations.",
        epilog=EPILOG,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
        callback=_start,
        invoke_without_command=True,
    )
    for name in COMMANDS if only is None else (only,):
        found = getattr(import_module(f"hwsim.cli.{COMMANDS[name]}"), name.replace("-", "_"))
        if isinstance(found, typer.Typer):
            app.add_typer(found, name=name, epilog=EPILOG)
        else:
            app.command(name, epilog=EPILOG)(found)
    return app


def _version(wanted: bool) -> None:
    if wanted:
        import hwsim

        typer.echo(f"hwsim {hwsim.__version__}")
        raise typer.Exit


def _start(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
    debug: Annotated[
        bool, typer.Option(DEBUG, help="Before any command or behind it: a failure shows its traceback, too.")
    ] = False,
) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit(USAGE)


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of the program; ends the process with its exit code.

    Args:
        arguments: those of the command line if not given.
    """
    collect_seldom()
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed: no file opened later may have its number
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal that cannot show a sign shows a question mark
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # where it keeps its fonts is no word of ours
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = given[: given.index("--")] if "--" in given else given
    sys.exit(_execute([word for word in options if word != DEBUG] + given[len(options) :], DEBUG in options))


def _execute(arguments: list[str], debug: bool) -> int:
    try:
        return _run(arguments)
    except Exception as error:
        if debug:
            traceback.print_exception(error)
        return _tell(error)
    except KeyboardInterrupt:
        _complain("interrupted")
        return INTERRUPTED


def _run(arguments: list[str]) -> int:
    for option, value in zip(["", *arguments], arguments, strict=False):
        if (option in _OUTPUTS and not value) or value in [f"{name}=" for name in _OUTPUTS]:
            raise typer.BadParameter("an output without a name: is a variable of the shell not set?")
    named = arguments[0] if arguments and arguments[0] in COMMANDS else None
    code = application(named)(arguments, prog_name="hwsim", standalone_mode=False)
    sys.stdout.flush()
    if code == INTERRUPTED:
        _complain("interrupted")
    return code if isinstance(code, int) else OK


def _tell(error: Exception) -> int:
    """One line about what went wrong, and its exit code."""
    if isinstance(error, typer.Abort):
        _complain("interrupted")
        return INTERRUPTED
    if isinstance(error, _UsageError):
        path = error.ctx.command_path if error.ctx else "hwsim"
        words = error.format_message().rstrip(".").replace("Value error, ", "")
        _complain(f"{words}; see '{path} --help'", path)
        return USAGE
    if isinstance(error, HwsimError):
        _complain(str(error))
    elif isinstance(error, OSError):
        if error.filename is None:
            _drop_output()
        _complain(
            f"{error.filename or 'cannot write the output'}: {error.strerror or error}; "
            "make room or choose another"
        )
    elif isinstance(error, MemoryError):
        _complain("not enough memory: give fewer --images, or a smaller network")
    else:
        found = f"{type(error).__name__}: {one_line(error)}" if str(error) else type(error).__name__
        _complain(
            f"a fault of hwsim, not of yours: {found}; please report it to whom you have hwsim from, "
            f"with the command and what it prints with {DEBUG}"
        )
    return FAILED


def _drop_output() -> None:
    """Send nowhere what an output did not take: at its end Python would try again, and fail."""
    with suppress(OSError, ValueError):  # an output without a file, as in a notebook
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _complain(message: str, who: str = "hwsim") -> None:
    """One line on stderr, whatever the message holds."""
    line = " ".join("".join(c if c.isprintable() else " " for c in message).split())
    print(f"{who}: {line}", file=sys.stderr)
