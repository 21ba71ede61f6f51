"""The interface of the sandbox's wallet, which pays an invoice in one of the ways that customers do.

Only the sandbox has one (`app/sandbox/wallet.py`); where money may be real there is no such route.
"""

from enum import StrEnum
from typing import Protocol

from app.invoices.presentation import InvoiceBody
from app.networks.config import NetworkConfig


class Choice(StrEnum):
    """The ways to pay, by their names in the page's form."""

    EXACT = "exact"
    SHORT = "short"
    OVER = "over"
    LATE = "late"
    WRONG_TOKEN = "wrong_token"  # noqa: S105 - a coin, not a secret


class CustomerWallet(Protocol):
    """Pays invoices as a customer would."""

    async def pay(self, invoice: InvoiceBody, network: NetworkConfig, choice: Choice) -> None:
        """Pay, and return when the transaction is in a block."""
