"""The queues. Any number of processes may run for each, on any number of hosts."""

from importlib import import_module

from app.core import gc_tuning
from workers.jobs import Queue

NAMES = ("chain", "signer", "webhooks", "default")
"""A queue's name is that of its module here."""


def queue(name: str) -> Queue:
    """A queue; its module is imported now, since a process works on one of them alone."""
    with gc_tuning.importing():
        found: Queue = import_module(f"workers.{name}").QUEUE
    return found
