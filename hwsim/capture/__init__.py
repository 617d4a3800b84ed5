"""Networks and pictures in, traces out: data sets, training, sparsification, integer inference.

Training needs the ``train`` extra. The modules that use it load it when they are imported, and nothing else
of hwsim imports them.
"""
