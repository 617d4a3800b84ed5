"""The program with all its commands, where ``python -m typer`` finds it."""

from hwsim.cli import application

app = application()
