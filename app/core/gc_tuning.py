"""Tuning of the garbage collector for a process that serves for weeks: it need not look at the program's own objects.

A full collection visits all objects, some hundred milliseconds in which no request is answered. Objects that exist
when the app is complete stay until the process ends, so they are frozen; reference counts free nearly all later ones.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

YOUNG_OBJECTS = 10_000
"""New objects before a collection of the youngest: with Python's 700 there are several in each request."""


@contextmanager
def importing() -> Iterator[None]:
    """Modules are imported, or the app is made: what that makes stays, so it is frozen. A search for garbage would
    find nothing, and take a sixth of the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()


def settle() -> None:
    """Call once, when everything is imported and the app is complete, in a process that only serves. Making it leaves
    no garbage worth a search.

    Processes that are forked afterwards keep sharing this one's memory, which collections would write to and so copy.
    """
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, *gc.get_threshold()[1:])
