"""What must be so before anything is imported, and so is a plugin of pytest: those come first."""

import gc
import os
import sys

# Tests start hundreds of processes of Python: what the first one compiles, others load.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# The garbage collector would go through some million objects of modules again and again.
gc.disable()

# Tests make objects by the hundred thousand: a whole application, or a console with its widgets.
_OBJECTS_AT_ONCE = 10_000


def pytest_collection_finish() -> None:
    """Collect from now on, but not what all tests have in common."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_OBJECTS_AT_ONCE)
    gc.enable()
