"""Verdicts in English, for merchants and operators: API, cabinet and desk. Customers read `app/checkout/lookup.py`."""

from app.core.money import format_amount
from app.lookups.judging import Finding, Verdict
from app.networks.config import NetworkConfig
from app.networks.registry import Networks


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
    return f"{format_amount(finding.amount_raw, asset.decimals)} {asset.symbol}"


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
    Verdict.ELSEWHERE: "It brings nothing to an address of your invoices.",
    Verdict.REORGANISED: "The network has dropped the block that had it. It may come back in another block.",
    Verdict.REPLACED: "Another transaction has taken its place, so it never will be in a block.",
    Verdict.DROPPED: "The network has forgotten it before a block had it. It may come back.",
}
