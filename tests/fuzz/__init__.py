"""Inputs that try to break a reader, and what it must do with them (`make fuzz`).

A target is a module with ``make(random)``, an input as bytes; ``check(data)``, which raises if the reader
does anything but give the right result or refuse in one line, and says whether it was read; and ``KNOWN``,
inputs that broke something once, by their names, where they are made and not kept in ``corpus``.
"""

MOST_LETTERS = 1500
TARGETS = ("coders", "traces", "toml", "topologies", "onnx", "sweeps", "results")


def refused(error: Exception) -> bool:
    """That an input was not read, if its error is one line, and no longer than a reader bears."""
    message = str(error)
    assert message.isprintable(), f"not one line: {message!r}"
    assert len(message) <= MOST_LETTERS, f"{len(message)} letters"
    return False
