"""Deposit addresses, derived from the network's extended public key, and who holds each."""

from piccolo.columns import BigSerial
from piccolo.constraints import Check, Unique
from piccolo.table import Table

from app.core import columns


class DepositAddress(Table, tablename="deposit_addresses"):
    """One address of a network's pool.

    `invoice_id` is the holder; `reserved_until` keeps it for a web process that is about to use it;
    `available_at` is when its cool-down ends. `lease_count` gives the next tail.
    """

    id = BigSerial(primary_key=True)
    network = columns.words(40)
    derivation_index = columns.number()
    address = columns.words(100)
    lease_count = columns.number()
    invoice_id = columns.words(20, null=True)
    reserved_by = columns.words(32, null=True)
    reserved_until = columns.moment(null=True)
    available_at = columns.moment()
    created_at = columns.moment()

    deposit_addresses_address_once = Unique(["network", "address"])
    deposit_addresses_index_once = Unique(["network", "derivation_index"])
    index_sane = Check("derivation_index >= 0")
