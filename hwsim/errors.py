"""The errors that a user is told of: one clear sentence each."""


class HwsimError(Exception):
    """Base of every error of this package; its message is one line that says what to do."""


class CodecError(HwsimError):
    """Data that a coder cannot encode or decode; the message names the bit or value position."""


class TraceError(HwsimError):
    """A trace that cannot be read, or written, or trusted."""


class ArchError(HwsimError):
    """A machine description that makes no sense, or a layer that does not fit the machine."""
