"""What the chains know beyond the backup: deposits are read again into the copy, our own transactions are found.

Only the copy is written to. Nothing is signed or sent: no key is loaded, and Redis is not even connected.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from app.addresses import repository as addresses
from app.core import clock, database
from app.deposits.watcher import Halted, Watcher
from app.drill import repository
from app.drill.report import NetworkReport
from app.networks.config import NetworkConfig
from app.networks.port import ChainMoved, NetworkError
from app.reconciliation.checks import holdings
from app.reconciliation.snapshot import final_heights, named_blocks, snapshot
from app.signer import missing
from app.signer.journal import Entry
from app.signer.kinds import KINDS
from app.signer.missing import Missing, Unknown
from app.wiring import Services
from app.withdrawals import repository as withdrawals

LONGEST_LEASE = timedelta(days=7)
"""The longest that an invoice can be paid in (`expires_in`): an address that was leased just after the backup may be
paid for so long."""

ATTEMPTS = 3
"""Rounds of a watcher, where the chain moves meanwhile."""

NOWHERE = "no node has it: the same nonce or the same coins are used again, which makes it void"


async def read(services: Services, journal: Sequence[Entry], now: datetime) -> list[NetworkReport]:
    """Read every network's chain into the copy, and find what it has of ours that the copy lacks."""
    heights = await repository.heights()
    strangers = await _lacking(services, journal)
    reports = []
    for network, watcher in zip(services.networks, services.watchers(), strict=True):
        report = NetworkReport(network=network.key, backup_height=heights.get(network.key, -1))
        reports.append(report)
        try:
            await _set_apart(services, network, report, now)
            if network.hot_wallet_address is not None:
                attach = KINDS[network.kind].attach_moves
                report.moves_attached = await attach(network, services.networks.sender(network.key), now)
            await _scan(watcher)
            report.head_height = (await repository.heights())[network.key]
            report.deposits = await repository.deposits_above(network.key, report.backup_height)
            report.missing = await _missing(services, network, strangers)
            report.drift = await _drift(services, network)
        except (NetworkError, Halted) as error:
            report.problem = str(error)
        except database.Unavailable as error:
            report.problem = f"the copy refuses it: {error}"
    await _add_nowhere(services, reports, strangers)
    return reports


async def _set_apart(services: Services, network: NetworkConfig, report: NetworkReport, now: datetime) -> None:
    """Keep addresses from being leased again that were leased after the backup."""
    until = now + LONGEST_LEASE + timedelta(minutes=network.cool_down_minutes)
    report.addresses_resting = await services.addresses.set_apart(network, until, now)
    if network.address_mode == "pool":
        report.addresses_left = max(network.pool_cap - await addresses.pool_size(network.key), 0)


async def _scan(watcher: Watcher) -> None:
    for _ in range(ATTEMPTS - 1):
        try:
            return await watcher.tick()
        except ChainMoved:
            continue
    await watcher.tick()


async def _lacking(services: Services, journal: Sequence[Entry]) -> dict[str, Entry]:
    """The journal's transactions that no network's books have, by txid."""
    lacking = {entry.txid: entry for entry in journal}
    for network in services.networks:
        lacking = {txid: lacking[txid] for txid in await missing.not_in_books(network.key, list(lacking))}
    return lacking


async def _missing(services: Services, network: NetworkConfig, strangers: dict[str, Entry]) -> list[Missing]:
    """The transactions of ours that this chain has and the copy lacks. Those of the journal are taken from
    `strangers`."""
    if network.hot_wallet_address is None:
        return []
    sender = services.networks.sender(network.key)
    found = []
    for each in await KINDS[network.kind].unknown(network, sender):
        in_journal = strangers.pop(each.txid or "", None) is not None
        found.append(await missing.explain(network, sender, each, in_journal=in_journal))
    for entry in [entry for entry in strangers.values() if _may_be_of(network, entry)]:
        unknown = Unknown(entry.txid, "signed, by the journal")
        told = await missing.explain(network, sender, unknown, in_journal=True)
        if told.state != "nowhere":
            found.append(told)
            strangers.pop(entry.txid)
    return found


def _may_be_of(network: NetworkConfig, entry: Entry) -> bool:
    """Whether a transaction of the journal can be one of this network, by what it claims."""
    return any(
        (claim.split(":")[0] == "coin") == network.has_coins
        and (network.has_coins or claim.split(":")[1] == network.hot_wallet_address)
        for claim in entry.claims
    )


async def _add_nowhere(services: Services, reports: Collection[NetworkReport], strangers: dict[str, Entry]) -> None:
    """Add what the journal has and no node: it was signed, and perhaps never sent."""
    for entry in strangers.values():
        ids = await withdrawals.with_digests([bytes.fromhex(each) for each in entry.digests])
        whose = f"signed for {', '.join(ids)}" if ids else "signed for a payout or refund that the backup lacks"
        for report in reports:
            if _may_be_of(services.networks.get(report.network), entry):
                told = Missing(
                    network=report.network,
                    txid=entry.txid,
                    state="nowhere",
                    words=f"{whose}; {NOWHERE}",
                    in_journal=True,
                )
                report.missing = [*report.missing, told]
                break


async def _drift(services: Services, network: NetworkConfig) -> list[str]:
    """What the ledgers have otherwise than the chain, at the newest confirmed block. Raises NetworkError."""
    final = await final_heights(services.networks)
    async with snapshot():
        block = (await named_blocks([network], final)).get(network.key)
        books = None if block is None else await holdings.read_books(network, block, clock.now(), full=True)
    if books is None:
        return ["no block is confirmed yet that could be compared"]
    compared = await holdings.compare_with_chain(services.networks.chain(network.key), books)
    return [f"{each.subject}: {each.message}" for each in compared.findings]
