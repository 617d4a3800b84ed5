"""What is said wherever it is true, in the same words."""

SYNTHETIC = "Synthetic trace: generated values, not measured ones."
