"""What a refund has beyond a withdrawal."""

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
