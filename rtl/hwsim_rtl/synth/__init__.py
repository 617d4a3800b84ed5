"""The machine on an ECP5: what its components take, and how fast they are.

:mod:`hwsim_rtl.synth.run` makes results; :mod:`hwsim_rtl.synth.tables` shows them, without Amaranth.
"""
