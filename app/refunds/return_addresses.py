"""Where a deposit in review should be sent back to: the customer names it on the payment page.

The newest address of a deposit counts. The customer may replace it until a member of the merchant has confirmed it or a
return is under way. The merchant's rule says whether a member confirms each address before operators see it in their
form, or none. It is a proposal in any case: an operator decides on the return, and the refund needs its own approval.
"""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

from app.audit import service as audit
from app.core import database
from app.core.money import format_amount
from app.deposits import reviews_repository
from app.invoices.service import announce
from app.merchants import notices
from app.merchants.members import Member
from app.merchants.roles import Permission
from app.networks.registry import Networks
from app.refunds import return_addresses_repository as repository
from app.refunds.return_addresses_repository import Case, Decision, GivenAddress
from app.withdrawals import destinations

CUSTOMER = "customer"
"""The actor in the audit log: somebody with the link, whom we don't know."""

MAX_GIVEN = 20
"""Addresses of one deposit that are stored, so that nobody fills the table."""

MAX_ADDRESS_CHARS = 100


class Refusal(StrEnum):
    """Why an address is not taken, or no decision on it, whatever the address is."""

    NOT_ASKED = "not_asked"
    """Nothing is to be sent back, or the merchant asks for no addresses."""
    CONFIRMED = "confirmed"
    """The merchant has confirmed an address."""
    TOO_MANY = "too_many"
    REPLACED = "replaced"
    """The customer has given another address since the page was made."""
    DECIDED = "decided"
    """The same decision was made before, or the address was rejected."""


class ReturnAddressRefused(Exception):
    """The case does not allow it, as it is now."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.value)
        self.refusal = refusal


class ReturnAddresses:
    """Takes customers' addresses and merchants' decisions on them. One per process."""

    def __init__(self, networks: Networks) -> None:
        self._networks = networks

    def is_asked(self, case: Case) -> bool:
        """Whether the customer may name an address: the review waits for a decision, and the money can be sent."""
        return (
            case.rule != "off"
            and case.review_status == "open"
            and case.deposit_status != "orphaned"
            and self._networks.get(case.network).sends
        )

    async def give(self, deposit_id: str, address: str, memo: str | None, *, given_from: str, now: datetime) -> None:
        """Store where the customer wants a deposit back; the same address again changes nothing.

        `given_from` is the client's address. Raises ReturnAddressRefused, DestinationRefused.
        """
        case = await repository.case(deposit_id)
        if case is None or not self.is_asked(case):
            raise ReturnAddressRefused(Refusal.NOT_ASKED)
        network = self._networks.get(case.network)
        asset = network.asset(case.asset)
        assert asset is not None, "assets are never removed from a network that has deposits"
        canonical = await destinations.check(network, address, memo, field="address", what="refund")
        destinations.refuse_dust(network, asset, case.amount_raw, canonical)
        async with database.transaction():
            review = await reviews_repository.lock(deposit_id)
            if review.review_status != "open" or review.status == "orphaned":
                raise ReturnAddressRefused(Refusal.NOT_ASKED)
            now_given = await repository.newest(deposit_id)
            if now_given is not None and now_given.decision == "confirmed":
                raise ReturnAddressRefused(Refusal.CONFIRMED)
            if now_given is not None and now_given.address == canonical and now_given.decision is None:
                return
            if await repository.count(deposit_id) >= MAX_GIVEN:
                raise ReturnAddressRefused(Refusal.TOO_MANY)
            await repository.add(deposit_id, canonical, given_from=given_from, now=now)
            await audit.record(
                actor=CUSTOMER,
                action="return_address.given",
                subject=deposit_id,
                merchant_id=case.merchant_id,
                address=given_from,
                details={"invoice": case.invoice_id, "network": case.network, "return_address": canonical},
                now=now,
            )
            if case.rule == "confirmed":
                await notices.record(
                    "return_address.given",
                    merchant_id=case.merchant_id,
                    mode=network.mode,
                    subject=deposit_id,
                    actor=CUSTOMER,
                    facts={
                        "amount": f"{format_amount(case.amount_raw, asset.decimals)} {asset.symbol}",
                        "invoice": case.invoice_id,
                        "destination": canonical,
                        "chain": network.chain,
                    },
                    now=now,
                )
        await announce(case.invoice_id)

    async def decide(self, by: Member, deposit_id: str, address_id: int, decision: Decision, now: datetime) -> None:
        """Confirm or reject the address that the member has seen. A confirmed one may be rejected until its return.

        Raises Forbidden, ReturnAddressRefused.
        """
        case = await repository.case(deposit_id)
        if case is None or case.merchant_id != by.merchant_id:
            raise ReturnAddressRefused(Refusal.NOT_ASKED)
        by.require(Permission.RETURNS_WRITE, "test" if case.network.endswith(":test") else "live")
        async with database.transaction():
            if (await reviews_repository.lock(deposit_id)).review_status != "open":
                raise ReturnAddressRefused(Refusal.NOT_ASKED)
            given = await repository.newest(deposit_id)
            if given is None or given.id != address_id:
                raise ReturnAddressRefused(Refusal.REPLACED)
            if given.decision == "rejected" or given.decision == decision:
                raise ReturnAddressRefused(Refusal.DECIDED)
            await repository.decide(address_id, decision, by=by.actor, now=now)
            await by.record(
                f"return_address.{decision}",
                deposit_id,
                now,
                invoice=case.invoice_id,
                network=case.network,
                return_address=given.address,
            )
        await announce(case.invoice_id)


async def cases(invoice_id: str) -> Sequence[Case]:
    """The reviews of an invoice that have not come to an end, oldest first."""
    return await repository.cases(invoice_id)


async def case_of(deposit_id: str) -> Case | None:
    """The review of a deposit that has an invoice, unless it has come to an end."""
    return await repository.case(deposit_id)


def usable(case: Case) -> GivenAddress | None:
    """The address that an operator may be offered: confirmed, or not rejected where the merchant confirms none."""
    given = case.given
    if given is None or case.rule == "off" or given.decision == "rejected":
        return None
    return given if given.decision == "confirmed" or case.rule == "direct" else None
