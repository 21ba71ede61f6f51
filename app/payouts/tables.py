"""What a payout has beyond a withdrawal."""

from piccolo.table import Table

from app.core import columns


class Payout(Table, tablename="payouts"):
    """A merchant's own payout. `id` is its withdrawal's."""

    id = columns.public_id()
    description = columns.words(500, null=True)
    metadata = columns.text()
