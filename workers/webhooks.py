"""The `webhooks` queue: each process numbers events and delivers them, in a slot of arq."""

from workers.jobs import Queue

QUEUE = Queue(name="webhooks", slot_loop=lambda services: services.deliver_webhooks)
