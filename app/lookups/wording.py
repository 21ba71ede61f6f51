"""Verdicts in English, for merchants and operators: API, cabinet and desk. Customers read `app/checkout/lookup.py`."""

import msgspec

from app.core.money import format_amount, group_digits
from app.lookups.judging import Brought, Finding, Verdict
from app.networks.config import NetworkConfig
from app.networks.registry import Networks


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """An answer as the pages of cabinet and desk show it. `brought` are transfers with their amounts in words."""

    title: str
    tone: str
    message: str
    network: str
    txid: str
    explorer_url: str | None
    confirmations: str
    invoice_id: str | None
    replaced_by: str | None
    brought: tuple[tuple[Brought, str, str], ...]


def shown(finding: Finding, txid: str, networks: Networks) -> Shown:
    """An answer for a page."""
    network = networks.get(finding.network)
    return Shown(
        title=TITLES[finding.verdict],
        tone=_TONES.get(finding.verdict, "caution"),
        message=message(finding, networks),
        network=network.title,
        txid=txid,
        explorer_url=network.explorer_url(txid),
        confirmations=(
            ""
            if finding.confirmations is None or finding.confirmations_required is None
            else f"{min(finding.confirmations, finding.confirmations_required)} of {finding.confirmations_required}"
        ),
        invoice_id=finding.invoice_id,
        replaced_by=finding.replaced_by,
        brought=tuple((each, _brought(each, network), TITLES[each.verdict]) for each in finding.brought),
    )


def _brought(brought: Brought, network: NetworkConfig) -> str:
    asset = None if brought.asset is None else network.asset(brought.asset)
    if asset is None:
        return "another token"
    return f"{group_digits(format_amount(brought.amount_raw, asset.decimals))} {asset.symbol}"


def message(finding: Finding, networks: Networks) -> str:
    """What a verdict means, in one or two sentences."""
    network = networks.get(finding.network)
    words = _MESSAGES[finding.verdict].format(
        network=network.display_name,
        invoice=finding.invoice_id or "no invoice",
        amount=amount(finding, network),
        confirmations=finding.confirmations,
        required=finding.confirmations_required,
        expected=networks.get(finding.expected_network or finding.network).display_name,
        token=f"“{finding.token}”" if finding.token else "without a name",
        contract=finding.contract,
    )
    if finding.verdict is Verdict.WAITING:
        words = " ".join(filter(None, [words, fees(finding, network)]))
    if finding.verdict is Verdict.REPLACED and finding.replaced_by is not None:
        words = f"{words} The other one is {finding.replaced_by}."
    if finding.from_books:
        words = f"{words} The network can't be asked now: this is what was stored before."
    return words


def amount(finding: Finding, network: NetworkConfig) -> str:
    """What it brings, such as `5.00 USDT`; "something" where that is not known."""
    asset = None if finding.asset is None else network.asset(finding.asset)
    if asset is None or finding.amount_raw is None:
        return "something"
    return f"{group_digits(format_amount(finding.amount_raw, asset.decimals))} {asset.symbol}"


def fees(finding: Finding, network: NetworkConfig) -> str:
    """Its fee beside what is usual; empty where that is not known."""
    if finding.fee_rate_raw is None or finding.usual_fee_rate_raw is None:
        return ""
    offered, usual = (network.fee_rate_in_words(rate) for rate in (finding.fee_rate_raw, finding.usual_fee_rate_raw))
    return f"Its fee is {offered}; {usual} is usual now."


_MESSAGES = {
    Verdict.UNAVAILABLE: "{network} can't be asked now, and nothing is stored of this transaction. Try again soon.",
    Verdict.UNKNOWN: "{network} doesn't know this transaction, or not yet.",
    Verdict.WAITING: "It waits for a block.",
    Verdict.CONFIRMING: "It brings {amount} for {invoice}: {confirmations} of {required} confirmations.",
    Verdict.FAILED: "It failed on chain: nothing was moved.",
    Verdict.PAID: "It has paid {invoice} in full: {amount}.",
    Verdict.PAID_PART: "It brings a part of what {invoice} asks for: {amount}.",
    Verdict.PAID_SHORT: "It brings less than {invoice} asks for: {amount}. An operator reviews it.",
    Verdict.PAID_OVER: "It brings more than {invoice} asks for: {amount}. An operator reviews it.",
    Verdict.PAID_LATE: "It came after the end of {invoice}: {amount}. An operator reviews it.",
    Verdict.PAID_AFTER_CANCELLATION: "It came after {invoice} was cancelled: {amount}. An operator reviews it.",
    Verdict.PAID_AGAIN: "{invoice} was paid before: {amount} came once more. An operator reviews it.",
    Verdict.DUST: "It brings too little to count for {invoice}: {amount}.",
    Verdict.OTHER_INVOICE: "It is for another invoice: {amount} for {invoice}.",
    Verdict.OTHER_ASSET: "It brings another asset than {invoice} asks for: {amount}.",
    Verdict.OTHER_TOKEN: "It brings a token that is not taken here, {token}, of the contract {contract}.",
    Verdict.LOOKALIKE_TOKEN: "It brings a look-alike: a token that calls itself {token}, of the contract {contract}.",
    Verdict.OTHER_NETWORK: "It is to the address of {invoice}, but on {network}, and not on {expected}.",
    Verdict.UNCLAIMED: "It is to an address of the gateway, and for no invoice: {amount}. An operator reviews it.",
    Verdict.ELSEWHERE: "It brings nothing to any address of yours.",
    Verdict.REORGANISED: "The network has dropped the block that had it. It may come back in another block.",
    Verdict.REPLACED: "Another transaction has taken its place, so it never will be in a block.",
    Verdict.DROPPED: "The network has forgotten it before a block had it. It may come back.",
}

TITLES = {
    Verdict.UNAVAILABLE: "The network can’t be asked now",
    Verdict.UNKNOWN: "Not known to the network",
    Verdict.WAITING: "Waits for a block",
    Verdict.CONFIRMING: "Confirming",
    Verdict.FAILED: "Failed",
    Verdict.PAID: "Paid in full",
    Verdict.PAID_PART: "A part of the amount",
    Verdict.PAID_SHORT: "Too little",
    Verdict.PAID_OVER: "Too much",
    Verdict.PAID_LATE: "Late",
    Verdict.PAID_AFTER_CANCELLATION: "After cancellation",
    Verdict.PAID_AGAIN: "Paid before",
    Verdict.DUST: "Dust",
    Verdict.OTHER_INVOICE: "For another invoice",
    Verdict.OTHER_ASSET: "Another asset",
    Verdict.OTHER_TOKEN: "An unknown token",
    Verdict.LOOKALIKE_TOKEN: "A look-alike token",
    Verdict.OTHER_NETWORK: "On another network",
    Verdict.UNCLAIMED: "For no invoice",
    Verdict.ELSEWHERE: "To no address of yours",
    Verdict.REORGANISED: "Its block was dropped",
    Verdict.REPLACED: "Replaced",
    Verdict.DROPPED: "Forgotten by the network",
}
"""Verdicts in a few words."""

_TONES = {
    Verdict.UNAVAILABLE: "neutral",
    Verdict.UNKNOWN: "neutral",
    Verdict.ELSEWHERE: "neutral",
    Verdict.DUST: "neutral",
    Verdict.WAITING: "progress",
    Verdict.CONFIRMING: "progress",
    Verdict.PAID_PART: "progress",
    Verdict.PAID: "positive",
}
