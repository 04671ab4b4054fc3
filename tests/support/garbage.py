"""Spares the garbage collector what lives as long as the process; a plugin of pytest.

It is one because plugins come before whatever is imported: some million objects of modules, which
the collector would go through again and again.
"""

import gc

# Tests make objects by the hundred thousand: a whole application, or a console with its widgets.
_OBJECTS_AT_ONCE = 10_000

gc.disable()


def pytest_collection_finish() -> None:
    """Collect from now on, but not what all tests have in common."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_OBJECTS_AT_ONCE)
    gc.enable()
