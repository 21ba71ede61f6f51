"""The `chain` queue: a watcher for each network, and one look a minute at what payments cost customers.

Advisory locks make sure that each of these runs in one process at a time.
"""

from workers.jobs import Queue

QUEUE = Queue(
    name="chain",
    loops=lambda services: [*(watcher.run for watcher in services.watchers()), services.customer_fee_watch().run],
)
