"""Tron's keys: what they derive, what they sign, and what they refuse whatever the database says."""

from pathlib import Path

import msgspec
import pytest

from app.core import clock, database
from app.networks.networks_file import load_networks
from app.networks.sending import Cost, Draft, Parsed, Payment, Signed, StakeMove
from app.networks.tron.addresses import ACCOUNT_PATH
from app.signer import repository
from app.signer.account_keys import AccountKeys
from app.signer.environment import SignerSettingsError
from app.signer.funds import NotOurs
from app.signer.keystore import PUBLISHED_XPUBS, SpendingKeys, new_mnemonic
from app.signer.settings import check_networks
from app.signer.timed_funds import TimedFunds
from app.signer.wallet import BytesDiffer
from tests.factories.tron import TRON_XPUB, USDT, somebody
from tests.fakes.timed import COIN, SIZE, TOKEN, FakeTimedSender, TimedChain, moved_of
from tests.fakes.timed_world import FINAL, PHRASE, TimedWorld
from tests.signer.processes import swap_pay
from tests.signer.tron_under_test import NETWORK, write_tron_networks

ABANDON = "abandon " * 11 + "about"
THIEF = somebody(666)


def test_keys_are_those_that_other_wallets_derive() -> None:
    """The vector of bip-utils and tronweb; the hot wallet is of an account of its own."""
    keys = SpendingKeys(ABANDON)
    assert keys.account(ACCOUNT_PATH).xpub == TRON_XPUB
    assert keys.deposit_key(0, ACCOUNT_PATH).hex() == (
        "b5a4cea271ff424d7c31dc12a3e43e401df7a40d7412a15750f3f0b6b5449a28"
    )
    assert keys.hot_wallet_key(ACCOUNT_PATH) not in (keys.hot_wallet_key(), keys.deposit_key(0, ACCOUNT_PATH))
    assert keys.tron_hot_wallet_address.startswith("T")
    assert TRON_XPUB in PUBLISHED_XPUBS
    with pytest.raises(ValueError, match="first account"):
        keys.hot_wallet_key("m/84'/0'/0'")


def test_the_keys_must_be_those_of_the_network(tmp_path: Path) -> None:
    ours, stranger, path = SpendingKeys(new_mnemonic()), SpendingKeys(new_mnemonic()), tmp_path / "networks.toml"

    def check(keys: SpendingKeys, **options: object) -> None:
        write_tron_networks(path, ["http://127.0.0.1:1"], "ab" * 32, USDT, keys, **options)
        check_networks(load_networks(path).values(), ours)

    check(ours)
    with pytest.raises(SignerSettingsError, match="it could not spend"):
        check(stranger)
    with pytest.raises(SignerSettingsError, match=f"is not the signer's, {ours.tron_hot_wallet_address}"):
        check(ours, hot_wallet_address=stranger.tron_hot_wallet_address)


def test_the_command_shows_what_belongs_in_the_networks_file() -> None:
    done = swap_pay({"SWAP_PAY_ENV": "test", "SIGNER_MNEMONIC": ABANDON}, "signer", "show")
    assert f'# Tron, {ACCOUNT_PATH}\nxpub = "{TRON_XPUB}"' in done.stdout
    assert f'hot_wallet_address = "{SpendingKeys(ABANDON).tron_hot_wallet_address}"' in done.stdout


async def test_staked_coin_stays_the_hot_wallet_s_and_energy_goes_to_our_addresses_alone(world: TimedWorld) -> None:
    made = await world.paid(5_000_000)
    keys = AccountKeys(world.services.networks.get(NETWORK), SpendingKeys(PHRASE))
    hot, ours = world.hot, made.pay_in.address

    async def check(sender: str, move: StakeMove, purpose: repository.Purpose = "stake") -> None:
        parsed = Parsed(payments=(), claims=("until:x:1:1",), sender=sender, stake_move=move)
        await keys.check_route(parsed, purpose)

    for own in (StakeMove("stake", 5), StakeMove("unstake", 5), StakeMove("withdraw", 0)):
        await check(hot, own)
        with pytest.raises(NotOurs, match="does not"):
            await check(ours, own)
        with pytest.raises(NotOurs, match="does not"):
            await check(hot, msgspec.structs.replace(own, to_address=ours))
    for lent in (StakeMove("lend", 5, ours), StakeMove("reclaim", 5, ours)):
        await check(hot, lent)
        with pytest.raises(NotOurs, match="is not one of our addresses"):
            await check(hot, msgspec.structs.replace(lent, to_address=THIEF))
        with pytest.raises(NotOurs, match="does not"):
            await check(hot, msgspec.structs.replace(lent, to_address=None))
        with pytest.raises(NotOurs, match="does not"):
            await check(ours, lent)
    purposes: tuple[repository.Purpose, ...] = ("withdrawal", "sweep", "gas")
    for purpose in purposes:
        with pytest.raises(NotOurs, match="does not"):
            await check(hot, StakeMove("stake", 5), purpose)
    with pytest.raises(NotOurs, match="no stake goes"):
        payment = Payment(THIEF, COIN, 5)
        await keys.check_route(Parsed(payments=(payment,), claims=("x",), sender=hot), "stake")
    # An address that an attacker has inserted among ours derives to another one.
    await database.execute("UPDATE deposit_addresses SET address = $1 WHERE address = $2", THIEF, ours)
    with pytest.raises(NotOurs, match="is not one of our addresses"):
        await check(hot, StakeMove("lend", 5, THIEF))


async def test_a_move_of_staked_coin_is_stored_tracked_and_booked(world: TimedWorld, chain: TimedChain) -> None:
    """It pays nobody: its fee is the treasury's. One that no block has held in time is given up."""
    funds, wallet = world.signer._funds, world.signer._wallet
    assert isinstance(funds, TimedFunds)

    async def stake() -> None:
        await funds.watch()
        await funds.begin_round(clock.now())
        cost = Cost(energy=0, size=SIZE, activates=False, fee_limit_raw=0)
        move = StakeMove("stake", 7_000_000)
        sender = world.services.networks.sender(NETWORK)
        assert isinstance(sender, FakeTimedSender)
        draft = await funds.draft(world.hot, cost, lambda state: sender.plan_stake(move, state))
        async with database.transaction():
            stored = await wallet.sign(await funds.lock(draft), purpose="stake", now=clock.now())
        await world.signer._tracker.broadcast(stored)

    await stake()
    await world.rounds(FINAL + 1)
    (row,) = await world.attempts()
    assert (row["status"], row["purpose"], row["fee_raw"]) == ("confirmed", "stake", 345_000)
    assert await world.balance(owner="platform:treasury", asset=COIN) == (500_000_000 - 345_000, 0)
    await world.check()
    await stake()
    await world.expire()
    await world.rounds(2)
    assert await world.statuses() == ["confirmed", "replaced"]
    # Seen after all: it is under way again, and told.
    found = (await world.attempts())[1]
    chain.force([moved_of(found["signed_bytes"])])
    await world.watcher.tick()
    assert (await world.alerts())["expired_transaction_mined"] == "critical"
    await world.rounds(FINAL + 1)
    assert await world.statuses() == ["confirmed", "confirmed"]
    await world.check()


@pytest.mark.parametrize("changes", [{"to_address": THIEF}, {"amount_raw": 12_000_001}, {"asset_symbol": COIN}])
async def test_bytes_that_say_something_else_are_neither_stored_nor_sent(
    world: TimedWorld, chain: TimedChain, monkeypatch: pytest.MonkeyPatch, changes: dict[str, object]
) -> None:
    honest = FakeTimedSender.sign

    def sign(sender: FakeTimedSender, draft: Draft, key: bytes) -> Signed:
        (payment,) = draft.payments
        return honest(
            sender, msgspec.structs.replace(draft, payments=(msgspec.structs.replace(payment, **changes),)), key
        )

    await world.approved(12_000_000, TOKEN)
    monkeypatch.setattr(FakeTimedSender, "sign", sign)
    with pytest.raises(BytesDiffer):
        await world.signer.tick()
    assert (await world.attempts(), chain.sent) == ([], [])
