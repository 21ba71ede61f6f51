"""Figures that reports read, kept by a worker (app/reports/invoice_figures.py)."""

from piccolo.columns import BigSerial, Integer
from piccolo.constraints import Check, Unique
from piccolo.table import Table

from app.core import columns
from app.merchants.tables import Merchant


class InvoiceFigures(Table, tablename="invoice_figures"):
    """Sums of the invoices that were created in a quarter of an hour, from `starts_at` on.

    `network` and `asset` are empty where nothing was chosen to pay with, `currency` where nothing was credited or its
    worth is not known. `fee_raw` is what was taken, in minor units of the asset like `credited_raw`; `worth_raw` is in
    those of the currency. `unvalued` counts credited invoices whose worth is not known.
    """

    id = BigSerial(primary_key=True)
    merchant = columns.reference(Merchant)
    mode = columns.words(4)
    starts_at = columns.moment()
    network = columns.words(40)
    asset = columns.words(20)
    currency = columns.words(3)
    created = columns.number()
    paid = columns.number()
    expired = columns.number()
    cancelled = columns.number()
    in_review = columns.number()
    unvalued = columns.number()
    credited_raw = columns.raw_amount()
    fee_raw = columns.raw_amount()
    worth_raw = columns.raw_amount()

    invoice_figures_once = Unique(["merchant", "mode", "starts_at", "network", "asset", "currency"])


class InvoiceFiguresKept(Table, tablename="invoice_figures_kept"):
    """How far the figures go: invoices created before `covers_until`, with their changes before `changes_until`."""

    id = Integer(primary_key=True, default=None)
    covers_until = columns.moment()
    changes_until = columns.moment()

    invoice_figures_kept_one = Check("id = 1")
