"""Settings that all tests share."""

from hypothesis import settings

# The first call of a compiled loop takes seconds, so no example has a deadline.
settings.register_profile("hwsim", deadline=None, print_blob=True)
settings.load_profile("hwsim")
