"""Which kinds of worker there are. Each may run many times, on as many hosts as you like."""

from workers import chain, default, signer, webhooks

QUEUES = {module.QUEUE.name: module.QUEUE for module in (chain, signer, webhooks, default)}
