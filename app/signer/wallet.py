"""Sign a transaction, read the signed bytes again, and store them in the caller's database transaction.

Everything that is ever signed goes through `sign`: the signed bytes, what they pay and what they claim are stored in
one transaction of the caller's, committed before anything is sent. What decides are the bytes: they are decoded anew,
and stored only if they pay exactly what was approved, claim what was planned, and spend what is ours.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import cast

from app.core import database
from app.networks.config import NetworkConfig
from app.networks.port import NotATransfer
from app.networks.sending import Draft, Parsed, Sender, Signed, TimedSender
from app.signer import repository
from app.signer.funds import Keys, NotOurs
from app.signer.journal import Journal
from app.signer.policy import Payable
from app.signer.repository import Purpose, Stored
from app.withdrawals.digest import digest


class BytesDiffer(Exception):
    """Bytes that were just signed are not what was approved and planned. Nothing is stored, and nothing more is signed:
    the program that signs is broken or was changed."""


class ClaimTaken(Exception):
    """A draft claims what a living transaction of another payment claims, or leaves out what an earlier attempt claims:
    signed, it could pay twice."""


class Wallet:
    """Signs with one network's keys. Only the signer has one."""

    def __init__(self, network: NetworkConfig, sender: Sender, keys: Keys, journal: Journal | None) -> None:
        self._network = network
        self._journal = journal
        self._sender = sender
        self._keys = keys

    async def sign(
        self,
        draft: Draft,
        *,
        purpose: Purpose,
        payables: Sequence[Payable] = (),
        replaces: Stored | None = None,
        now: datetime,
    ) -> Stored:
        """Sign and store, in the caller's transaction, which has locked what the draft claims.

        `payables` are the withdrawals that it pays, in their order, none for a move between our own addresses. Raises
        NotOurs, BytesDiffer, ClaimTaken; Refused where the signer's journal knows of another transaction for one of
        them; JournalError.
        """
        database.in_transaction()
        await self._check_claims(draft, replaces)
        approved = [payable.approved for payable in payables]
        if self._journal is not None:
            self._journal.refuse_second(approved, draft.claims)
        signed = self._sender.sign(draft, await self._keys.key(draft))
        parsed = self._parsed(signed, draft)
        self._check_bytes(parsed, draft, purpose, payables)
        await self._keys.check_route(parsed, purpose)
        if self._journal is not None and payables:
            self._journal.write(signed.txid, approved, parsed.claims)
        return await repository.add(
            network=self._network.key,
            purpose=purpose,
            withdrawals=[payable.intent.id for payable in payables] or [None] * len(parsed.payments),
            draft=draft,
            parsed=parsed,
            signed=signed,
            replaces=replaces,
            now=now,
        )

    async def forget_dead(self, digests: Sequence[bytes]) -> None:
        """Write into the signer's journal which earlier transactions for payments with these digests no block can hold
        any more: those of limited time, once every node says that no final block has them. Not inside a transaction."""
        if self._journal is None:
            return
        expiring = self._journal.expiring(digests)
        if not expiring:
            return
        sender = cast(TimedSender, self._sender)
        over_ms = int((await sender.reference()).final.time.timestamp() * 1000)
        over = [entry.txid for entry in expiring if max(map(_ends_at_ms, entry.claims)) <= over_ms]
        for txid, is_absent in (await sender.absent(over) if over else {}).items():
            if is_absent:
                self._journal.write_dead(txid)

    async def check_signed(self, stored: Stored) -> None:
        """Raise NotOurs unless our key has signed just what the rows say: signing it again gives the same bytes."""
        try:
            again = self._sender.sign(stored.draft, await self._keys.key(stored.draft))
            if again != stored.signed:
                raise NotOurs(f"{self._network.key}: transaction row {stored.id} is not what was signed")
            if self._sender.parse(stored.signed_bytes, stored.draft).claims != stored.claims:
                raise NotOurs(f"{self._network.key}: transaction row {stored.id} claims something else than was signed")
        except NotATransfer as error:
            raise NotOurs(f"{self._network.key}: transaction row {stored.id} is not what was signed: {error}") from None

    def _parsed(self, signed: Signed, draft: Draft) -> Parsed:
        try:
            return self._sender.parse(signed.raw, draft)
        except NotATransfer as error:
            raise BytesDiffer(f"{self._network.key}: signed bytes are no transaction of ours: {error}") from None

    def _check_bytes(self, parsed: Parsed, draft: Draft, purpose: Purpose, payables: Sequence[Payable]) -> None:
        """Raise BytesDiffer unless the bytes are those of the draft and, recomputed from the bytes, each payment of a
        withdrawal has the digest that operators approved."""
        where = f"{self._network.key}: signed bytes for {', '.join(p.intent.id for p in payables) or purpose}"
        if (purpose == "withdrawal") != bool(payables):
            raise BytesDiffer(f"{where} pay a withdrawal, or are none")
        if (purpose == "stake") != (parsed.stake_move is not None) or (purpose == "stake") == bool(parsed.payments):
            raise BytesDiffer(f"{where} move staked coin, or pay nothing")
        if purpose == "withdrawal":
            if len(parsed.payments) != len(payables):
                raise BytesDiffer(f"{where} make {len(parsed.payments)} payments")
            for payment, payable in zip(parsed.payments, payables, strict=True):
                if digest(payable.with_payment(payment)) != payable.approved:
                    raise BytesDiffer(f"{where} pay something else than was approved")
        if parsed.payments != draft.payments:
            raise BytesDiffer(f"{where} pay something else than was planned")
        if parsed.claims != draft.claims or not draft.claims:
            raise BytesDiffer(f"{where} claim something else than was planned")
        if parsed.sender != draft.sender:
            raise BytesDiffer(f"{where} are signed by {parsed.sender}")

    async def _check_claims(self, draft: Draft, replaces: Stored | None) -> None:
        lineage = None if replaces is None else replaces.lineage
        mine = set(draft.claims)
        for living in await repository.living_claims(self._network.key, draft.claims, lineage):
            if living.lineage != lineage:
                raise ClaimTaken(f"{self._network.key}: {living.claim} is claimed by transaction {living.lineage}")
            if living.claim not in mine:
                raise ClaimTaken(f"{self._network.key}: another attempt must claim {living.claim} too")


def _ends_at_ms(claim: str) -> int:
    """When a claim `until:<address>:<expiration>:<salt>` ends, in milliseconds since 1970."""
    return int(claim.split(":")[2])
