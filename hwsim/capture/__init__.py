"""Networks and pictures in, traces out: PyTorch and ONNX, calibration, what lies between the maps.

PyTorch needs the ``train`` extra, ONNX the ``onnx`` extra. The modules that use them load them when they are
imported.
"""
