"""The Amaranth implementation of the machine that hwsim models."""
