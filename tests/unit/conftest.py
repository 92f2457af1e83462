"""What the tests of the core share."""

from hypothesis import settings

# A slow machine is no failure: nothing here asserts a time.
settings.register_profile("core", deadline=None)
settings.load_profile("core")
