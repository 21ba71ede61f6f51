"""Endpoints, their queues, deliveries and attempts. All state is stored here, never in Redis."""

from piccolo.columns import BigSerial
from piccolo.constraints import Check, Unique
from piccolo.table import Table

from app.core import columns
from app.events.tables import Event
from app.merchants.tables import Merchant


class WebhookEndpoint(Table, tablename="webhook_endpoints"):
    """A URL of a merchant in a mode. `implicit` ones were created for an invoice's `webhook_url`.

    `event_types` empty means all. `status_reason` says why it is paused or disabled: `failures`, `gone` (it
    answered 410) or `merchant`. `stopped_by` is what it answered last before it was paused for failures. A change of
    status holds the endpoint's row in `webhook_queues`.
    """

    id = columns.public_id()
    merchant = columns.reference(Merchant)
    mode = columns.words(4)
    url = columns.words(2048)
    description = columns.words(500)
    event_types = columns.word_list(40)
    implicit = columns.flag()
    status = columns.words(10)
    secret_sealed = columns.text()
    previous_secret_sealed = columns.text(null=True)
    previous_secret_until = columns.moment(null=True)
    status_reason = columns.words(10, null=True)
    status_since = columns.moment()
    created_at = columns.moment()
    stopped_by = columns.words(40, null=True)

    mode_known = columns.one_of("mode", "live", "test")
    status_known = columns.one_of("status", "enabled", "paused", "disabled", "deleted")


class WebhookQueue(Table, tablename="webhook_queues"):
    """The queue of one endpoint, in one narrow row. Each change of the endpoint's deliveries locks it.

    `due_at` is never later than the moment at which a delivery of the endpoint can be claimed; null means that
    none can. New work sets it earlier; only a claim, which has read the deliveries, sets it later. `last_seq` is the
    number of the endpoint's last event. Up to `ordered_through_seq` deliveries go one by one, in order.
    `consecutive_failures` counts across events and workers; twenty pause the endpoint.
    """

    endpoint = columns.words(20, primary_key=True)
    last_seq = columns.big_number()
    due_at = columns.moment(null=True)
    consecutive_failures = columns.number()
    ordered_through_seq = columns.big_number()

    failures_counted = Check("consecutive_failures >= 0")


class WebhookDelivery(Table, tablename="webhook_deliveries"):
    """One event for one endpoint. `claimed_until` is a worker's lease; after it another may claim the row.

    `attempts` counts all attempts; `step` counts those of the current run through the schedule. A replay and the
    enabling of the endpoint reset `step`.
    """

    id = BigSerial(primary_key=True)
    event = columns.reference(Event)
    endpoint = columns.reference(WebhookEndpoint)
    merchant_id = columns.words(20)
    seq = columns.big_number()
    previous_seq = columns.big_number()
    status = columns.words(10)
    attempts = columns.number()
    step = columns.number()
    next_attempt_at = columns.moment()
    claimed_until = columns.moment(null=True)
    delivered_at = columns.moment(null=True)
    created_at = columns.moment()

    status_known = columns.one_of("status", "pending", "delivered", "dead")
    webhook_deliveries_once = Unique(["event", "endpoint"])


class WebhookAttempt(Table, tablename="webhook_attempts"):
    """One attempt and its result. `response_excerpt` is at most 4 KiB of the answer.

    In partitions by the month in which the delivery was made, of which its id tells (attempts_by_month.py). `id` is
    counted and no key in the database: nothing refers to an attempt.
    """

    id = BigSerial(primary_key=True)
    delivery = columns.reference(WebhookDelivery)
    number = columns.number()
    started_at = columns.moment()
    duration_ms = columns.number()
    response_status = columns.number(null=True)
    error = columns.words(30, null=True)
    detail = columns.words(300)
    response_excerpt = columns.digest()
    next_attempt_at = columns.moment(null=True)

    webhook_attempts_number_once = Unique(["delivery", "number"])
