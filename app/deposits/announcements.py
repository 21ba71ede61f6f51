"""What a customer's page says was sent from a wallet: shown on the page until the network has it, and nothing more.

Anybody who has the payment link can announce anything, so an announcement is no payment: no state, no amount and no
booking depends on one.
"""

from datetime import datetime

from app.core import database
from app.deposits import announced_repository
from app.invoices.states import AWAITS_PAYMENT, Status
from app.live import topics
from app.live.notices import changed
from app.networks.config import NetworkConfig

MAY_STILL_COME = frozenset({*AWAITS_PAYMENT, Status.CONFIRMING, Status.MANUAL_REVIEW, Status.EXPIRED})
"""States of an invoice in which the page shows what was announced. In others nothing is written."""


async def announce(invoice_id: str, status: Status, network: NetworkConfig, txid: str, now: datetime) -> None:
    """Write that a transaction was sent for an invoice, and tell its open pages. Twice is as once, and after five for
    one invoice nothing more is written.

    Raises ValueError, without the text in it, for what is no transaction id of this network. Not inside a transaction.
    """
    canonical = network.normalise_txid(txid)
    if status not in MAY_STILL_COME:
        return
    async with database.transaction():
        if await announced_repository.add(invoice_id, network.key, canonical, now):
            await changed(*topics.of_invoices(invoice_id))
