"""What a drill's findings mean: lines in words, and whether the signer may start."""

from collections.abc import Iterator

from app.core.money import format_amount
from app.deposits.matching import NEEDS_NO_REVIEW
from app.drill.report import Found, Line, NetworkReport, Report
from app.networks.config import NetworkConfig
from app.networks.registry import Networks
from app.signer.missing import Missing, MissingPayment

LOST = (
    "no payout or refund of the backup asks for it: its request is lost. Have it requested again, approve it, and"
    " attach this transaction before the signer starts"
)


def judge(report: Report, networks: Networks) -> None:
    """Add the lines about each network to a report, and decide what may be signed."""
    for each in report.networks:
        report.lines += lines_of(each, networks.get(each.network))
    states = {line.state for line in report.lines}
    report.is_complete = "bad" not in states
    report.signing = "must not start" if "bad" in states else "must wait" if "act" in states else "may start"


def lines_of(report: NetworkReport, network: NetworkConfig) -> Iterator[Line]:
    """What is to be said of one network."""
    topic = report.network
    if report.problem is not None:
        yield Line(topic, "bad", f"the chain could not be read: {report.problem}")
        return
    yield Line(topic, "ok", f"read again from block {report.backup_height + 1} to {report.head_height}")
    for found in report.deposits:
        yield Line(topic, "ok", _deposit(found, network))
    if report.moves_attached:
        moves = "move" if report.moves_attached == 1 else "moves"
        yield Line(topic, "ok", f"{report.moves_attached} {moves} between our own accounts found again, and attached")
    for missing in report.missing:
        yield _transaction(missing, network)
    if not report.drift:
        yield Line(topic, "ok", "the ledgers have what the chain has")
    for drift in report.drift:
        if report.must_be_attached:
            yield Line(topic, "note", f"{drift}; the transactions above are missing in the ledgers")
        else:
            yield Line(topic, "bad", drift)
    if report.addresses_resting:
        rest = f"{report.addresses_resting} deposit addresses rest, since one may be of an invoice that is lost"
        none_left = report.addresses_left == 0
        hint = "; the pool is at its cap: raise pool_cap, or new invoices are refused meanwhile" if none_left else ""
        yield Line(topic, "note", rest + hint)


def _deposit(found: Found, network: NetworkConfig) -> str:
    deposits = "deposit" if found.count == 1 else "deposits"
    what = f"{found.count} {deposits} of {_amount(network, found.asset, found.amount_raw)}"
    if found.verdict not in {str(each) for each in NEEDS_NO_REVIEW}:
        return f"{what} found again, and in review: {found.verdict}"
    how = {"credited": "credited", "seen": "wait for confirmations"}.get(found.status, found.status)
    return f"{what} found again: {how}"


def _transaction(missing: Missing, network: NetworkConfig) -> Line:
    """What is to be done about one transaction of ours."""
    name = f"{missing.txid or missing.words}"
    paid = "; ".join(_payment(each, network) for each in missing.payments)
    if missing.problem is not None:
        return Line(missing.network, "bad", f"{name} can't be attached: {missing.problem}")
    if missing.state == "nowhere":
        return Line(missing.network, "note", f"{name}: {missing.words}")
    what = f"{name} has sent {paid or 'coins to ourselves'}"
    wait = f"it waits for {network.confirmations} confirmations, then: " if missing.state == "waits" else ""
    return Line(missing.network, "act", f"{what}. {wait}{_way_back(missing, network)}")


def _way_back(missing: Missing, network: NetworkConfig) -> str:
    strangers = [each for each in missing.payments if each.withdrawal is None and not each.is_ours]
    asked = [each.withdrawal for each in missing.payments if each.withdrawal is not None]
    if strangers:
        return LOST
    if asked:
        return f"swap-pay signer adopt-transaction {asked[0]} --txid {missing.txid}"
    if missing.nonce is not None:
        command = f"swap-pay signer adopt-nonce --network {network.key} --nonce {missing.nonce + 1}"
        return f"it paid nobody; once all others are attached: {command}"
    return f"swap-pay signer account-for --network {network.key} --txid {missing.txid}"


def _payment(payment: MissingPayment, network: NetworkConfig) -> str:
    to = "to an address of ours" if payment.is_ours and payment.withdrawal is None else f"to {payment.destination}"
    whose = f" ({payment.withdrawal})" if payment.withdrawal is not None else ""
    return f"{_amount(network, payment.asset, payment.amount_raw)} {to}{whose}"


def _amount(network: NetworkConfig, symbol: str, amount_raw: int) -> str:
    asset = network.asset(symbol)
    return f"{format_amount(amount_raw, asset.decimals)} {symbol}" if asset else f"{amount_raw} minor units of {symbol}"
