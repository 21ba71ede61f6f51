"""Whose passkeys must have signed a payment, by the signer's own file (contract, section 13).

The database may be in somebody else's hands, with its operators, thresholds and public keys. Where
`SIGNER_APPROVERS_FILE` is set, what counts is this file alone, and what its passkeys have signed: the digest of each
payment. `swap-pay signer approvers` helps to write it.
"""

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from app.core.errors import ApiError
from app.core.money import parse_amount
from app.core.webauthn import AnswerRefused, RelyingParty, check, credential_id, fingerprint, from_text
from app.networks.config import NetworkConfig
from app.signer.refusal import Refused
from app.withdrawals.digest import Intent, digest

EVERY = "*"
"""Any network, or any asset, in a rule."""

MOST_READ = 20
"""Signatures of one payment that are checked: more than any rule asks for."""

Text = Annotated[str, Meta(min_length=1, max_length=2000)]


class ApproversFileError(Exception):
    """The file can't be used; the message says why, and holds no secret."""


class Approver(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One passkey of a person who approves. Several passkeys may have the same name: they count as one person."""

    name: Annotated[str, Meta(min_length=1, max_length=100)]
    credential_id: Text
    public_key: Text

    @property
    def fingerprint(self) -> str:
        """What the operator's browser shows too, to be read out."""
        return fingerprint(from_text(self.public_key))


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many people must have signed a payment of more than an amount, in whole units of the asset."""

    approvals: Annotated[int, Meta(ge=1, le=10)]
    network: str = EVERY
    asset: str = EVERY
    above: str = "0"


class Policy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the signer may do on a network beside payments and ordinary sweeps, once operators have approved it at the
    desk too (allowed_moves.py). Amounts are whole units of the network's coin: what a dear sweep may cost, and what may
    be staked in all. Without an entry, and without a field, it does none of it."""

    network: Text
    consolidate: bool = False
    dear_sweep_up_to: str = "0"
    stake_up_to: str = "0"


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    public_url: Text
    approvers: list[Approver]
    rules: list[Rule]
    policies: list[Policy] = []


class Approvers:
    """The people who approve payments, the rules of how many must, and what else the signer may do."""

    def __init__(
        self,
        party: RelyingParty,
        approvers: Sequence[Approver],
        rules: Sequence[Rule],
        policies: Sequence[Policy] = (),
    ) -> None:
        self.party = party
        self.approvers = tuple(approvers)
        self.rules = tuple(rules)
        self.policies = tuple(policies)
        self._by_credential = {from_text(each.credential_id): each for each in approvers}

    def check(self, intent: Intent, network: NetworkConfig, answers: Sequence[str]) -> None:
        """Raise Refused unless enough people of the file have signed exactly this payment.

        The payment waits then: it goes on once they have.
        """
        required = self._required(intent, network)
        signed_by = {name for answer in answers[:MOST_READ] if (name := self._signed_by(answer, digest(intent)))}
        if len(signed_by) < required:
            raise Refused(
                "signatures",
                f"it waits for approval by passkey: {len(signed_by)} of {required} that the signer asks for",
                held=False,
                severity="critical" if answers else "warning",
            )

    def has_rule(self, network_key: str, asset: str) -> bool:
        """Whether a rule is about the smallest payment of an asset."""
        return any(
            rule.network in (EVERY, network_key) and rule.asset in (EVERY, asset) and rule.above == "0"
            for rule in self.rules
        )

    def policy(self, network_key: str) -> Policy:
        """What the signer may do on a network beside payments: nothing where the file has no policy for it."""
        return next((each for each in self.policies if each.network == network_key), Policy(network_key))

    def _signed_by(self, answer: str, challenge: bytes) -> str | None:
        """The name of the approver whose passkey has signed this challenge, None where none has."""
        try:
            approver = self._by_credential.get(credential_id(answer))
            if approver is None:
                return None
            # A digest is signed once, so the count of signatures proves nothing here: any is taken.
            check(answer, challenge, self.party, from_text(approver.public_key), sign_count=0)
        except AnswerRefused:
            return None
        return approver.name

    def _required(self, intent: Intent, network: NetworkConfig) -> int:
        """How many must have signed: the strictest rule that is about this payment counts. Raises Refused where none
        is."""
        asset = network.asset(intent.asset)
        if asset is None:
            raise Refused("unknown_asset", f"{intent.asset} is not an asset of {network.key}", held=True)
        matching = [
            rule.approvals
            for rule in self.rules
            if rule.network in (EVERY, network.key)
            and rule.asset in (EVERY, asset.symbol)
            and intent.amount_raw > in_minor_units(rule.above, asset.decimals)
        ]
        if not matching:
            raise Refused("no_rule", "no rule of the signer's approvers file is about it", held=False)
        return max(matching)


def read(path: Path) -> Approvers:
    """The file's content. Raises ApproversFileError."""
    try:
        content = msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), _File)
    except OSError as error:
        raise ApproversFileError(f"can't be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as error:
        raise ApproversFileError(f"is not an approvers file: {error}") from None
    _refuse_unsound(content)
    return Approvers(RelyingParty.of(content.public_url), content.approvers, content.rules, content.policies)


def _refuse_unsound(content: _File) -> None:
    people = {approver.name for approver in content.approvers}
    if not content.rules:
        raise ApproversFileError("has no [[rules]]: nothing could be paid")
    try:
        if len({from_text(each.credential_id) for each in content.approvers}) < len(content.approvers):
            raise ApproversFileError("has a passkey twice")
        for each in content.approvers:
            each.fingerprint  # noqa: B018 - it must be readable
    except AnswerRefused:
        raise ApproversFileError("has a key that is not base64url") from None
    if len({each.network for each in content.policies}) < len(content.policies):
        raise ApproversFileError("has two [[policies]] for a network")
    for rule in content.rules:
        if rule.approvals > len(people):
            raise ApproversFileError(f"has a rule of {rule.approvals} approvals, and {len(people)} people")
        _refuse_unreadable(rule.above, "rule")
    for policy in content.policies:
        _refuse_unreadable(policy.dear_sweep_up_to, "policy")
        _refuse_unreadable(policy.stake_up_to, "policy")


def _refuse_unreadable(amount: str, of: str) -> None:
    if amount == "0":
        return
    try:
        parse_amount(amount, 30, "amount")
    except ApiError as error:
        raise ApproversFileError(f"has a {of} whose amount can't be read: {error.message}") from None


def in_minor_units(amount: str, decimals: int) -> int:
    """A rule's or a policy's amount in minor units, rounded down where the asset has fewer places: so a rule holds
    earlier, and a policy allows no more."""
    whole, _, places = amount.partition(".")
    return int(whole + places[:decimals].ljust(decimals, "0"))
