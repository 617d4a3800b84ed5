"""What stands around the cores of two lanes: from programs in memory to passes (docs/image.md)."""
