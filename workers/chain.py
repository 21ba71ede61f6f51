"""The `chain` queue: a watcher for each network. Advisory locks see to it that each network has one."""

from workers.jobs import Queue

QUEUE = Queue(name="chain", loops=lambda services: [watcher.run for watcher in services.watchers()])
