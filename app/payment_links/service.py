"""Payment links: made and changed by a merchant, and the invoices that customers make by them.

An invoice of a link is an invoice like any other, made by InvoiceCreation. What is the link's is decided in the
transaction that writes it, under the lock of the link's row: whether it is switched on, its end, and how many payments
are taken. So customers who press at the same moment can't take more than there are.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import asyncpg
import msgspec
from msgspec.structs import replace

from app.audit import service as audit
from app.core import database, ids
from app.core.errors import ApiError, Code
from app.core.keyset import Page, Place, Total
from app.core.money import format_amount
from app.invoices.creation import InvoiceCreation, NewInvoice
from app.invoices.links import PaymentLinks
from app.invoices.presentation import InvoiceBody
from app.invoices.states import Status
from app.merchants.members import Decider, Member
from app.merchants.roles import OPEN_TO_TEST, Permission, Standing
from app.merchants.service import terms_of
from app.merchants.terms import Mode, Terms
from app.networks.config import NetworkConfig
from app.networks.registry import Networks
from app.payment_links import repository
from app.payment_links.checking import Amounts, LinkTerms, Unit, check_rest, checked_amounts, checked_choices, unit_of
from app.payment_links.presentation import PaymentLinkBody, body_of, choices_of
from app.payment_links.repository import CreditedSum, LinkRow, PublicLink, ShownLink
from app.payment_links.states import LinkStatus, status_of
from app.web import idempotency
from app.web.idempotency import Replay, create_once, made_before, replay_of

TIME_TO_PAY = timedelta(hours=1)
"""Of an invoice that a link makes: as of any invoice whose request names no time (contract, section 3)."""

CHANGEABLE = frozenset(
    {
        *("amount", "min_amount", "max_amount", "pay_in_assets", "description", "max_payments", "expires_at"),
        *("success_url", "metadata", "active"),
    }
)
"""Fields of LinkTerms that may change. Another currency is another link."""


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """The invoices of a link: how many were made, are paid, and may still be; and by asset what was credited, as
    decimal, symbol and network."""

    made: int
    paid: int
    waiting: int
    credited: list[tuple[str, str, NetworkConfig]]


_PAID = (Status.PAID, Status.PARTIALLY_REFUNDED, Status.REFUNDED)
_WAITING = (Status.AWAITING_CHOICE, Status.AWAITING_DEPOSIT, Status.CONFIRMING, Status.MANUAL_REVIEW)


class LinkRefused(ApiError):
    """No invoice can be made by a link. `status` says why; None where the merchant takes no payments."""

    def __init__(self, reason: LinkStatus | None) -> None:
        super().__init__(Code.NOT_FOUND, f"the payment link is {reason or 'stopped'}")
        self.reason = reason


class PaymentLinkService:
    """Makes, changes and reads payment links, and makes their invoices. One per process."""

    def __init__(self, networks: Networks, links: PaymentLinks, creation: InvoiceCreation) -> None:
        self._networks = networks
        self._links = links
        self._creation = creation

    # The merchant

    async def create_by(self, by: Member, mode: Mode, asked: LinkTerms, replay: Replay, now: datetime) -> bytes:
        """Create a link in the cabinet; else as `create`. Raises Forbidden."""
        by.require(Permission.INVOICES_WRITE, mode)
        return await self.create(await terms_of(by.merchant_id, mode), asked, replay, by, now)

    async def create(self, terms: Terms, asked: LinkTerms, replay: Replay, by: Decider, now: datetime) -> bytes:
        """Create a link, and return its JSON, the same bytes that a replay returns.

        Raises INVALID_INPUT, PAY_IN_ASSET_NOT_ALLOWED, AMOUNT_TOO_SMALL, AMOUNT_TOO_LARGE, and ReplayExists where
        `replay` is already there. Not inside a transaction.
        """
        await idempotency.refuse_repeat(replay)  # it gets its answer, though it would be refused by now
        unit = await unit_of(self._networks, terms, asked)
        check_rest(asked, terms.mode, now)
        amounts = await checked_amounts(terms.merchant_id, unit, asked)
        choices = await checked_choices(self._networks, terms.merchant_id, terms.mode, unit, asked.pay_in_assets)
        while True:
            link = LinkRow(
                id=ids.new_id(ids.PAYMENT_LINK),
                merchant=terms.merchant_id,
                mode=terms.mode,
                active=asked.active,
                network=None if unit.network is None else unit.network.key,
                currency=unit.currency,
                amount_raw=amounts.amount_raw,
                min_raw=amounts.min_raw,
                max_raw=amounts.max_raw,
                pay_in_assets=choices,
                description=asked.description,
                max_payments=asked.max_payments,
                expires_at=asked.expires_at,
                success_url=asked.success_url,
                metadata=asked.metadata.decode(),
                created_at=now,
            )
            body = msgspec.json.encode(self._body(ShownLink(**msgspec.structs.asdict(link), taken=0), now))
            try:
                async with database.transaction():
                    await repository.add(link)
                    await _record(by, "payment_link.created", link, now)
                    await idempotency.store(replay, 201, body, now)
            except asyncpg.UniqueViolationError:  # of the id, once in a thousand years
                continue
            return body

    async def change_by(
        self, by: Member, mode: Mode, link_id: str, changes: Mapping[str, Any], now: datetime
    ) -> PaymentLinkBody:
        """Change a link in the cabinet; else as `change`. Raises Forbidden."""
        by.require(Permission.INVOICES_WRITE, mode)
        return await self.change(by.merchant_id, mode, link_id, changes, by, now)

    async def change(
        self, merchant_id: str, mode: Mode, link_id: str, changes: Mapping[str, Any], by: Decider, now: datetime
    ) -> PaymentLinkBody:
        """Set fields of LinkTerms that are in CHANGEABLE; invoices that are made already stay as they are.

        Raises PAYMENT_LINK_NOT_FOUND, INVALID_INPUT, PAY_IN_ASSET_NOT_ALLOWED, AMOUNT_TOO_SMALL, AMOUNT_TOO_LARGE.
        """
        assert changes.keys() <= CHANGEABLE, changes
        async with database.transaction():
            await repository.lock(merchant_id, link_id)
            before = await self._found(merchant_id, mode, link_id)
            unit = Unit.of(self._networks, before.network, before.currency)
            asked = replace(self._terms(before, unit), **changes)
            check_rest(asked, mode, now, before=before)
            amounts = Amounts(before.amount_raw, before.min_raw, before.max_raw)
            choices = before.pay_in_assets
            if changes.keys() & {"amount", "min_amount", "max_amount"}:
                amounts = await checked_amounts(merchant_id, unit, asked)
            if "pay_in_assets" in changes:
                choices = await checked_choices(self._networks, merchant_id, mode, unit, asked.pay_in_assets)
            after = msgspec.structs.replace(
                before,
                active=asked.active,
                amount_raw=amounts.amount_raw,
                min_raw=amounts.min_raw,
                max_raw=amounts.max_raw,
                pay_in_assets=choices,
                description=asked.description,
                max_payments=asked.max_payments,
                expires_at=asked.expires_at,
                success_url=asked.success_url,
                metadata=asked.metadata.decode(),
            )
            changed = [name for name in LinkRow.__struct_fields__ if getattr(after, name) != getattr(before, name)]
            if changed:
                await repository.change(after)
                await _record(by, "payment_link.changed", after, now, fields=changed)
        return self._body(after, now)

    async def get(self, merchant_id: str, mode: Mode, link_id: str, now: datetime) -> PaymentLinkBody:
        """One link. Raises PAYMENT_LINK_NOT_FOUND."""
        return self._body(await self._found(merchant_id, mode, link_id), now)

    async def page(
        self,
        merchant_id: str,
        mode: Mode,
        place: Place | None,
        limit: int,
        now: datetime,
        *,
        active: bool | None = None,
    ) -> Page[PaymentLinkBody]:
        """A page of a merchant's links, newest first; with `active`, only those that are switched on, or off."""
        found = await repository.page(merchant_id, mode, place, limit, active=active)
        return found.of(self._body(link, now) for link in found)

    async def total(self, merchant_id: str, mode: Mode) -> Total:
        """How many links a merchant has."""
        return await repository.total(merchant_id, mode)

    async def figures(self, merchant_id: str, link_id: str) -> Figures:
        """What the invoices of a link of this merchant have come to."""
        counted = {each.status: each.count for each in await repository.counts(merchant_id, link_id)}
        return Figures(
            made=sum(counted.values()),
            paid=sum(counted.get(status, 0) for status in _PAID),
            waiting=sum(counted.get(status, 0) for status in _WAITING),
            credited=[
                (format_amount(each.credited_raw, self._decimals(each)), each.asset, self._networks.get(each.network))
                for each in await repository.credited(merchant_id, link_id)
            ],
        )

    def _decimals(self, each: CreditedSum) -> int:
        return Unit.of(self._networks, each.network, each.asset).places

    # The customer

    async def find_public(self, slug: str) -> PublicLink | None:
        """The link of a page's address; None where it was tampered with."""
        link_id = self._links.link_id(slug)
        return None if link_id is None else await repository.find_public(link_id)

    def unit(self, link: LinkRow) -> Unit:
        """What a link's amounts are in."""
        return Unit.of(self._networks, link.network, link.currency)

    async def begun(self, link: ShownLink, amount_raw: int, key: str, now: datetime) -> InvoiceBody | None:
        """The invoice that was made before with this `key`: also where the link is over by now."""
        made = await made_before(_replay(link, amount_raw, key), now)
        return None if made is None else msgspec.json.decode(made.body, type=InvoiceBody)

    async def pay(self, link: ShownLink, amount_raw: int, key: str, now: datetime) -> InvoiceBody:
        """Make an invoice of an amount by a link, once for each `key`. The amount is within the link's bounds.

        Raises LinkRefused, and what InvoiceCreation raises. Not inside a transaction.
        """
        terms, unit = await terms_of(link.merchant, link.mode), self.unit(link)
        choices = choices_of(link, self._networks)
        own_page = self._links.link_url(link.id)
        new = NewInvoice(
            amount=unit.format(amount_raw),
            currency=link.currency,
            chain=None if unit.network is None else unit.network.chain,
            pay_in_assets=None if choices is None else tuple(choices),
            description=link.description,
            success_url=link.success_url,
            fail_url=own_page if own_page.startswith("https://") else None,  # where one may begin again
            metadata=link.metadata.encode(),
            expires_in=TIME_TO_PAY,
            payment_link=link.id,
            admit=partial(self._admit, link, now),
        )
        made = await create_once(
            _replay(link, amount_raw, key), lambda replay: self._creation.create(terms, new, replay, now)
        )
        return msgspec.json.decode(made.body, type=InvoiceBody)

    async def _admit(self, link: LinkRow, now: datetime) -> None:
        """Raise LinkRefused unless one more invoice may be made, in the transaction that writes it. Another one of the
        link waits here until the commit, and then counts this one."""
        standing = await repository.lock(link.merchant, link.id)
        current = await repository.find(link.merchant, link.mode, link.id)
        assert current is not None, "links are never deleted"
        if (reason := refusal(current, standing, now)) is not LinkStatus.OPEN:
            raise LinkRefused(reason)

    # Both

    async def _found(self, merchant_id: str, mode: Mode, link_id: str) -> ShownLink:
        found = await repository.find(merchant_id, mode, link_id)
        if found is None:
            raise ApiError(Code.PAYMENT_LINK_NOT_FOUND, "no such payment link")
        return found

    def _body(self, link: ShownLink, now: datetime) -> PaymentLinkBody:
        return body_of(link, self._networks, self._links, now)

    def _terms(self, link: ShownLink, unit: Unit) -> LinkTerms:
        """A stored link as it would be asked for."""
        choices = choices_of(link, self._networks)

        def decimal(raw: int | None) -> str | None:
            return None if raw is None else unit.format(raw)

        return LinkTerms(
            currency=link.currency,
            chain=None if unit.network is None else unit.network.chain,
            amount=decimal(link.amount_raw),
            min_amount=decimal(link.min_raw),
            max_amount=decimal(link.max_raw),
            pay_in_assets=None if choices is None else tuple(choices),
            description=link.description,
            max_payments=link.max_payments,
            expires_at=link.expires_at,
            success_url=link.success_url,
            metadata=link.metadata.encode(),
            active=link.active,
        )


def refusal(link: ShownLink, standing: Standing | None, now: datetime) -> LinkStatus | None:
    """OPEN where an invoice can be made by a link, else why not; None where its merchant takes no payments."""
    takes_payments = standing in OPEN_TO_TEST if link.mode == "test" else standing == "approved"
    if not takes_payments:
        return None
    return status_of(
        active=link.active,
        expires_at=link.expires_at,
        max_payments=link.max_payments,
        taken=link.taken,
        now=now,
    )


def _replay(link: LinkRow, amount_raw: int, key: str) -> Replay:
    return replay_of(
        f"{key}:{amount_raw}",  # who goes back and enters another amount wants another invoice
        merchant_id=link.merchant,
        mode=link.mode,
        endpoint=f"payment link {link.id}",
        body=amount_raw,
    )


async def _record(by: Decider, action: str, link: LinkRow, now: datetime, **details: object) -> None:
    await audit.record(
        actor=by.actor,
        action=action,
        subject=link.id,
        merchant_id=link.merchant,
        address=by.address,
        details={"mode": link.mode, **details},
        now=now,
    )
