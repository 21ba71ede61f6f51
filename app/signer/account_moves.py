"""Moves between our own accounts that a restored backup lacks: gas for sweeps, and sweeps.

They pay nobody, so no operator has to say whose they were. The bytes prove it: our key has signed them, and what they
send stays with us. They are stored before the watcher reads their blocks, which then takes them for what they are,
and the signer tracks them like any other: their fees are booked once they are final.
"""

from datetime import datetime

from app.addresses import repository as addresses
from app.core import database
from app.networks.config import NetworkConfig
from app.networks.port import NotATransfer
from app.networks.sending import AccountSender, OnChain, Parsed, Sender
from app.signer import account_nonces_repository, repository
from app.signer.repository import Purpose
from app.withdrawals import repository as withdrawals_repository


async def attach(network: NetworkConfig, sender: AccountSender, now: datetime) -> int:
    """Store the moves of a network's hot wallet and deposit addresses that the chain has and the books lack. Returns
    how many. The watcher must not run meanwhile. Raises NetworkError."""
    hot = network.hot_wallet_address
    assert hot is not None, "a network with a signer has a hot wallet"
    ours = [hot, *await addresses.every(network.key)]
    known = await account_nonces_repository.next_nonces(network.key, ours)
    head = await sender.head_height()
    attached = 0
    for address, count in (await sender.next_nonces(ours)).items():
        for nonce in range(known.get(address, 0), count):
            txid = await sender.who_used(address, nonce, head)
            if txid is not None and await _attach(network, sender, txid, set(ours), now):
                attached += 1
    return attached


async def nothing(_: NetworkConfig, __: Sender, ___: datetime) -> int:
    """Attach nothing: for kinds of chains whose moves are told from payments by our own scan."""
    return 0


async def _attach(network: NetworkConfig, sender: Sender, txid: str, ours: set[str], now: datetime) -> bool:
    try:
        on_chain = await sender.look_up(txid)
        parsed = None if on_chain is None else sender.parse(on_chain.signed.raw, on_chain.draft)
    except NotATransfer:
        return False
    if on_chain is None or parsed is None or parsed.sender is None:
        return False
    purpose = await _purpose(network, parsed, ours)
    if purpose is None or await repository.stored_among(network.key, [txid]):
        return False
    async with database.transaction():
        await _store(network, on_chain, parsed, purpose, now)
        await account_nonces_repository.step_past_used(network.key, parsed.sender)
    return True


async def _purpose(network: NetworkConfig, parsed: Parsed, ours: set[str]) -> Purpose | None:
    """What a transaction of ours was for, if it moved our money between our own accounts; None otherwise, and where it
    may be a payout to one of our own addresses."""
    if len(parsed.payments) != 1 or parsed.sender not in ours:
        return None
    (payment,) = parsed.payments
    if payment.to_address not in ours:
        return None
    if await withdrawals_repository.unpaid(network.key, payment.asset_symbol, payment.amount_raw, payment.to_address):
        return None
    if parsed.sender == network.hot_wallet_address:
        is_coin = network.native is not None and payment.asset_symbol == network.native.symbol
        return "gas" if is_coin else None
    return "sweep" if payment.to_address == network.hot_wallet_address else None


async def _store(network: NetworkConfig, on_chain: OnChain, parsed: Parsed, purpose: Purpose, now: datetime) -> None:
    await repository.add(
        network=network.key,
        purpose=purpose,
        withdrawals=[None],
        draft=on_chain.draft,
        parsed=parsed,
        signed=on_chain.signed,
        replaces=None,
        now=now,
    )
