"""Inputs that try to break a reader, and what it must do with them (`make fuzz`).

A target is a module with ``make(random)``, an input as bytes, and ``check(data)``, which raises if the reader
does anything but give the right result or refuse in one line.
"""

TARGETS = ("traces",)
