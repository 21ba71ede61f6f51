"""What a refund has beyond a withdrawal."""

from piccolo.columns import BigSerial
from piccolo.constraints import Check
from piccolo.table import Table

from app.core import columns
from app.deposits.tables import Deposit
from app.invoices.tables import Invoice


class Refund(Table, tablename="refunds"):
    """Money sent back for an invoice. `id` is its withdrawal's.

    `deposit` is set where an operator returns a deposit that was in review, which the merchant never had;
    only then may `invoice` be null: a deposit to an address that served no invoice.
    """

    id = columns.public_id()
    invoice = columns.reference(Invoice, null=True)
    deposit = columns.reference(Deposit, null=True)
    reason = columns.words(500, null=True)
    customer_visible_reason = columns.words(500, null=True)

    refunds_of_something = Check("invoice IS NOT NULL OR deposit IS NOT NULL")


class ReturnAddress(Table, tablename="return_addresses"):
    """Where a customer wants a deposit in review to be sent back (refunds/return_addresses.py).

    The newest row of a deposit counts, older ones are its history. `given_from` is the client's address, of IPv6 its
    /64. `decision` is a member's of the merchant.
    """

    id = BigSerial(primary_key=True)
    deposit = columns.reference(Deposit)
    address = columns.words(100)
    given_at = columns.moment()
    given_from = columns.words(64)
    decision = columns.words(10, null=True)
    decided_at = columns.moment(null=True)
    decided_by = columns.words(64, null=True)

    return_addresses_decision_known = columns.one_of("decision", "confirmed", "rejected")
    return_addresses_decided_whole = Check(
        "(decision IS NULL) = (decided_at IS NULL) AND (decision IS NULL) = (decided_by IS NULL)"
    )
