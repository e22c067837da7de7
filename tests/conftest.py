from hypothesis import settings


# The same examples on every run: a failure is a failure for everybody.
settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.load_profile("repeatable")
