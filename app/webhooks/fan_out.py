"""Creation of deliveries: one row for each event and each of its endpoints, in the sequencer's transaction."""

from collections.abc import Sequence

from app.core import clock
from app.core.settings import DataKeys
from app.events.sequencer import FanOut, NumberedEvent
from app.live import notices, topics
from app.webhooks import fan_out_repository, invoice_overrides


def fan_out_with(keys: DataKeys) -> FanOut:
    """The function that the sequencer calls with each batch. `keys` encrypt the secrets of new implicit endpoints."""

    async def fan_out(events: Sequence[NumberedEvent]) -> None:
        now = clock.now()
        overrides = {(e.merchant_id, e.mode, e.override_url) for e in events if e.override_url is not None}
        for merchant_id, mode, url in sorted(overrides):
            await invoice_overrides.ensure_implicit_endpoint(
                merchant_id=merchant_id, mode=mode, url=url, keys=keys, now=now
            )
        await fan_out_repository.lock_queues_due(events)
        await fan_out_repository.add_deliveries(events, now)
        for merchant_id, mode in dict.fromkeys((e.merchant_id, e.mode) for e in events):
            await notices.changed(*topics.of_merchant(merchant_id, mode, "events", "deliveries"))

    return fan_out
