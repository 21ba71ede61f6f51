"""The garbage collector of a process that serves for weeks: it should look at requests' litter, not at the program.

A full collection walks every object that there is, some hundred milliseconds in which no request is answered. What
is there once the app is put together stays, so it is set aside; reference counts free nearly all that comes later.
"""

import gc

YOUNG_OBJECTS = 10_000
"""Objects that gather before the young are looked through: at Python's 700 that happens several times a request."""


def settle() -> None:
    """Call once, when all is imported and put together, in a process that does nothing but serve."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, *gc.get_threshold()[1:])
