"""The `chain` queue: a watcher for each network. Advisory locks make sure that each network has only one."""

from workers.jobs import Queue

QUEUE = Queue(name="chain", loops=lambda services: [watcher.run for watcher in services.watchers()])
