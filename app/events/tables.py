"""The outbox: an event is written in the transaction of the change that it reports, and numbered after the commit."""

from piccolo.columns import UUID, BigInt, BigSerial
from piccolo.constraints import Check, Unique
from piccolo.table import Table

from app.core import columns


class Event(Table, tablename="events"):
    """A change that a merchant is notified of.

    `data` is the JSON of the event's `data` field until the sequencer has numbered the event; then it is empty, and
    `body` has exactly the bytes that are delivered. `seq` and `body` are null until then. `override_url` is the
    invoice's own webhook, if it has one; `only_endpoint` is the one endpoint that a test event is for.
    """

    id = BigSerial(primary_key=True)
    event_id = UUID(default=None, unique=True)
    merchant_id = columns.words(20)
    mode = columns.words(4)
    type = columns.words(40)
    subject_id = columns.words(20)
    data = columns.text()
    override_url = columns.words(2048, null=True)
    only_endpoint = columns.words(20, null=True)
    created_at = columns.moment()
    seq = columns.big_number(null=True)
    body = columns.text(null=True)

    events_seq_once = Unique(["merchant_id", "mode", "seq"])
    addressed_once = Check("override_url IS NULL OR only_endpoint IS NULL")
    numbered_whole = Check("(seq IS NULL) = (body IS NULL)")


class EventHead(Table, tablename="event_heads"):
    """The last number given to an event of a merchant in a mode.

    Up to `purged_through_seq` events were deleted for their age, but for those that still wait for an endpoint.
    """

    id = BigSerial(primary_key=True)
    merchant_id = columns.words(20)
    mode = columns.words(4)
    last_seq = columns.big_number()
    purged_through_seq = BigInt(default=0)

    event_heads_once = Unique(["merchant_id", "mode"])
