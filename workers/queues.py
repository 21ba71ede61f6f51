"""The queues. Any number of processes may run for each, on any number of hosts."""

from workers import chain, default, signer, webhooks

QUEUES = {module.QUEUE.name: module.QUEUE for module in (chain, signer, webhooks, default)}
