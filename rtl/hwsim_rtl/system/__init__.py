"""What stands around the cores of two lanes: memory images run whole, and the buses of a machine."""
