"""What stands around the cores: memory images run whole, and the buses of a machine."""
