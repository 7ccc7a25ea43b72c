"""Settings of all tests."""

from hypothesis import settings

# The machines that run the tests are busy: a slow example is no failure. The same examples every time.
settings.register_profile("tenfold", deadline=None, derandomize=True)
settings.load_profile("tenfold")
