"""The paper's tables made anew: accuracy with quantized maps in the loop, density, speedup, compression.

What runs networks needs the ``train`` or ``onnx`` extra and loads it where it is used.
"""
