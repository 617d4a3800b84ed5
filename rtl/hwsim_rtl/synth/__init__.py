"""The machine on an ECP5: what its components take, and how fast they are.

:mod:`.run` makes results; :mod:`.tables` shows them, without Amaranth.
"""
