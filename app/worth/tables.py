"""What movements of money were worth when they were booked."""

from piccolo.columns import BigSerial
from piccolo.constraints import Check, Unique
from piccolo.table import Table

from app.core import columns
from app.merchants.tables import Merchant
from app.rates.tables import UsedRate


class Worth(Table, tablename="worths"):
    """The worth of one entry of a merchant's ledger, in minor units of the currency that the merchant reported in then.

    Written with the entry; never changed, and never added later. An entry without one had no rate in its minute.
    """

    id = BigSerial(primary_key=True)
    merchant = columns.reference(Merchant)
    kind = columns.words(30)
    reference_type = columns.words(20)
    reference_id = columns.words(40)
    currency = columns.words(3)
    worth_raw = columns.raw_amount()
    rate = columns.reference(UsedRate)
    booked_at = columns.moment()

    worths_once = Unique(["reference_id", "reference_type", "kind"])
    worths_not_negative = Check("worth_raw >= 0")
