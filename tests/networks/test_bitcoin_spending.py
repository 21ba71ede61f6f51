"""Spending bitcoin, judged by a stranger: a real node decodes, accepts, replaces and refuses what we have signed."""

import json
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
from embit import ec
from embit.script import Script
from embit.transaction import Transaction, TransactionInput, TransactionOutput

from app.networks.bitcoin import coins, fees, signing, signing_with_embit, spending
from app.networks.bitcoin.coins import INTERNAL_BRANCH, Coin, NotEnough
from app.networks.bitcoin.fees import InPool, fee_raw
from app.networks.bitcoin.parameters import AddressType
from app.networks.bitcoin.sending import BitcoinSender
from app.networks.bitcoin.spending import CoinState, form_of
from app.networks.port import FeeAboveCeiling, NodeUnavailable, NotATransfer
from app.networks.sending import Broadcast, Draft, Payment, Signed
from app.sandbox.bitcoin_driver import BitcoinDriver
from app.sandbox.bitcoind import Bitcoind
from tests.factories.bitcoin import bitcoin_network
from tests.fakes.evm_node import always, fake_node
from tests.networks.bitcoin_wallet import RATE, BitcoinWallet, raw_of
from tests.services import import_or_skip, start_bitcoind_for_tests

INCREMENT = 1_000
"""The incremental relay fee of the node, in satoshi per 1,000 vB."""


@pytest.fixture(params=["with_bdk", "with_embit"])
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The test runs with both libraries; with the second one alone where the first has no wheel."""
    if request.param == "with_bdk":
        import_or_skip("bdkpython")
        assert signing.library().__name__.endswith("with_bdk")
    else:
        monkeypatch.setattr(signing, "library", lambda: signing_with_embit)
    return str(request.param)


@pytest.fixture(params=["p2wpkh", "p2tr"])
def address_type(request: pytest.FixtureRequest) -> AddressType:
    """The test runs with both types of addresses."""
    chosen: AddressType = request.param
    return chosen


@pytest.fixture
async def wallet(bitcoind: Bitcoind, bitcoin: BitcoinDriver, address_type: AddressType) -> AsyncIterator[BitcoinWallet]:
    wallet = BitcoinWallet(bitcoin_network([bitcoind.rpc_url], address_type=address_type), bitcoin)
    yield wallet
    await wallet.sender.aclose()


def with_fee(draft: Draft, more_raw: int) -> Draft:
    """The draft with so much more fee, taken from its change."""
    form = form_of(draft)
    changed = msgspec.structs.replace(form, change_raw=form.change_raw - more_raw)
    return msgspec.structs.replace(draft, fee_cap_raw=draft.fee_cap_raw + more_raw, form=msgspec.json.encode(changed))


def with_coins(draft: Draft, *changed: Coin) -> Draft:
    """The draft with other facts about its coins."""
    form = msgspec.structs.replace(form_of(draft), coins=changed)
    return msgspec.structs.replace(draft, form=msgspec.json.encode(form))


async def verdict(wallet: BitcoinWallet, signed: Signed) -> dict[str, Any]:
    """What the node says of a transaction without taking it."""
    (answer,) = await wallet.driver.call("testmempoolaccept", [signed.raw.hex()])
    return dict(answer)


# What is signed.


async def test_a_batch_is_what_the_node_reads(wallet: BitcoinWallet, library: str) -> None:
    held = await wallet.receive(40_000, 300_000, 70_000)
    payments = await wallet.payments(111_000, 55_555, 222_222)

    draft = wallet.plan(payments, held)
    signed = wallet.sign(draft)

    read = await wallet.driver.call("decoderawtransaction", signed.raw.hex())
    assert (read["txid"], read["version"], read["locktime"]) == (signed.txid, 2, 0)
    spent = [(each["txid"], each["vout"], each["sequence"]) for each in read["vin"]]
    assert spent == [(coin.txid, coin.vout, 0xFFFFFFFD) for coin in form_of(draft).coins]
    outputs = [(each["scriptPubKey"]["address"], raw_of(each["value"])) for each in read["vout"]]
    assert outputs[:3] == [(payment.to_address, payment.amount_raw) for payment in payments]
    change = wallet.change(draft)
    assert outputs[3:] == [(wallet.account.address(INTERNAL_BRANCH, change.index), change.amount_raw)]
    answer = await verdict(wallet, signed)
    assert answer["allowed"] is True
    assert raw_of(answer["fees"]["base"]) == draft.fee_cap_raw >= fee_raw(RATE, answer["vsize"])
    # The planned size is never too small; only P2WPKH signatures may be some bytes shorter.
    assert 0 <= form_of(draft).vsize - answer["vsize"] <= (1 if wallet.account.address_type == "p2wpkh" else 0)


async def test_the_same_draft_gives_the_same_bytes_and_both_libraries_the_same_transaction(
    wallet: BitcoinWallet, monkeypatch: pytest.MonkeyPatch
) -> None:
    import_or_skip("bdkpython")
    held = await wallet.receive(*(20_000 + number for number in range(12)))
    draft = wallet.plan(await wallet.payments(200_000), held)
    first = wallet.sign(draft)
    assert all(wallet.sign(draft) == first for _ in range(3))
    monkeypatch.setattr(signing, "library", lambda: signing_with_embit)
    second = wallet.sign(draft)
    assert second == wallet.sign(draft)
    assert second.txid == first.txid
    assert (await verdict(wallet, second))["allowed"] is (await verdict(wallet, first))["allowed"] is True


async def test_two_hundred_coins_and_two_hundred_payments_are_of_the_planned_size(
    wallet: BitcoinWallet, library: str
) -> None:
    held = await wallet.receive(*(50_000 + number for number in range(200)))
    to_address = await wallet.driver.address()
    draft = wallet.plan(200 * [Payment(to_address, "BTC", 40_000)], [], required=held)

    signed = await wallet.send(draft)

    entry = await wallet.driver.call("getmempoolentry", signed.txid)
    form = form_of(draft)
    assert (len(form.coins), form.change_raw > 0) == (200, True)
    assert form.vsize == {"p2wpkh": 19_792, "p2tr": 17_754}[wallet.account.address_type]
    spare = form.vsize - entry["vsize"]
    assert spare == 0 if wallet.account.address_type == "p2tr" else 0 <= spare <= 50
    assert raw_of(entry["fees"]["base"]) == draft.fee_cap_raw == fee_raw(RATE, form.vsize)


async def test_any_kind_of_address_is_paid(wallet: BitcoinWallet) -> None:
    kinds = ("legacy", "p2sh-segwit", "bech32", "bech32m")
    paid = [
        Payment(await wallet.driver.call("getnewaddress", "", kind), "BTC", 10_000 + number)
        for number, kind in enumerate(kinds)
    ]
    # The test networks share their base58 addresses; a witness script is paid too.
    paid.append(Payment("bcrt1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3qzf4jry", "BTC", 20_000))
    await wallet.send(wallet.plan(paid, await wallet.receive(100_000)))
    for foreign in ("bc1qcr8te4kr609gcawutmrza0j4xv80jy8z306fyu", "nothing", ""):
        with pytest.raises(NotATransfer, match="destination"):
            wallet.plan([Payment(foreign, "BTC", 10_000)], await wallet.receive(50_000))


# What is not signed.


async def test_a_coin_that_is_not_ours_is_not_signed(wallet: BitcoinWallet, library: str) -> None:
    (coin,) = await wallet.receive(100_000)
    draft = wallet.plan(await wallet.payments(50_000), [coin])
    stranger = await wallet.driver.address()
    for changes in ({"address": stranger}, {"index": coin.index + 1}, {"branch": 1}, {"branch": 2}, {"index": 2**31}):
        with pytest.raises(NotATransfer, match="not at its address"):
            wallet.sign(with_coins(draft, msgspec.structs.replace(coin, **changes)))
    # Signing itself refuses too, and not only our check before it: a PSBT whose coin has a stranger's script.
    outputs = spending.outputs_of(wallet.account, draft)
    made = signing.psbt(wallet.account, [coin], outputs)
    made.inputs[0].witness_utxo.script_pubkey.data = bytes.fromhex("0014" + 20 * "ab")
    private = signing._private(wallet.account, wallet.key.private_key())
    if library == "with_bdk":
        with pytest.raises(NotATransfer, match="can't be signed"):
            signing.library().signed_psbt(made, wallet.account, private, 300_000)
    else:  # embit signs it; what is read again is refused
        raw = signing.library().signed_psbt(made, wallet.account, private, 300_000)
        if wallet.account.address_type == "p2wpkh":
            with pytest.raises(NotATransfer, match="no signature that spends our coin"):
                wallet.sender.parse(raw, draft)


async def test_a_wrong_amount_of_a_coin_makes_bytes_that_no_node_takes(wallet: BitcoinWallet, library: str) -> None:
    (coin,) = await wallet.receive(100_000)
    more = msgspec.structs.replace(coin, amount_raw=100_500)
    signed = wallet.sign(wallet.plan(await wallet.payments(50_000), [more]))
    assert await wallet.sender.broadcast(signed) is Broadcast.REFUSED
    # And who knows the true amount finds the signature to be wrong.
    draft = wallet.plan(await wallet.payments(50_000), [coin])
    with pytest.raises(NotATransfer, match="no signature that spends our coin"):
        wallet.sender.parse(signed.raw, draft)


async def test_a_signature_covers_everything_or_is_refused(wallet: BitcoinWallet, library: str) -> None:
    (coin,) = await wallet.receive(100_000)
    draft = wallet.plan(await wallet.payments(50_000), [coin])
    outputs = spending.outputs_of(wallet.account, draft)
    private = signing._private(wallet.account, wallet.key.private_key())
    for hash_type in (2, 3, 0x81, 0x83):  # NONE, SINGLE, ALL and SINGLE with ANYONECANPAY (BIP-143)
        made = signing.psbt(wallet.account, [coin], outputs)
        made.inputs[0].sighash_type = hash_type
        with pytest.raises(NotATransfer, match="can't be signed"):
            signing.library().signed_psbt(made, wallet.account, private, 300_000)

    # Made by somebody who has the key: valid on chain, but anybody could change the payments.
    made = signing.psbt(wallet.account, [coin], outputs)
    made.inputs[0].sighash_type = 2
    assert made.sign_with(private, sighash=None) == 1
    from embit.finalizer import finalize_psbt

    loose = bytes(finalize_psbt(made).serialize())
    assert (await verdict(wallet, Signed("", loose)))["allowed"] is True
    with pytest.raises(NotATransfer, match="no signature that spends our coin"):
        wallet.sender.parse(loose, draft)


async def test_an_absurd_fee_is_not_signed(wallet: BitcoinWallet, library: str) -> None:
    (coin,) = await wallet.receive(10_000_000)
    payments = await wallet.payments(50_000)
    with pytest.raises(FeeAboveCeiling):
        wallet.plan(payments, [coin], rate=300_001)
    draft = wallet.plan(payments, [coin], rate=300_000)
    assert wallet.sign(draft)
    for more_raw in (1, 1_000_000):
        absurd = with_fee(draft, more_raw)
        with pytest.raises(FeeAboveCeiling):
            wallet.sign(absurd)
    # What a program without our ceiling has signed is refused when it is read, and by the node that was told.
    lenient = msgspec.structs.replace(wallet.config, max_fee_rate_sat_vb=10_000)
    sender = BitcoinSender(lenient, wallet.mined_in)
    signed = sender.sign(absurd, wallet.key.private_key())
    await sender.aclose()
    with pytest.raises(FeeAboveCeiling):
        wallet.sender.parse(signed.raw, absurd)
    assert await wallet.sender.broadcast(signed) is Broadcast.REFUSED


async def test_a_draft_whose_parts_do_not_agree_is_not_signed(wallet: BitcoinWallet) -> None:
    held = await wallet.receive(100_000, 90_000)
    draft = wallet.plan(await wallet.payments(150_000), held)
    payment = draft.payments[0]
    for changed in (
        msgspec.structs.replace(draft, claims=draft.claims[:1]),
        msgspec.structs.replace(draft, claims=()),
        msgspec.structs.replace(draft, fee_cap_raw=draft.fee_cap_raw - 1),
        msgspec.structs.replace(draft, payments=(msgspec.structs.replace(payment, amount_raw=150_001),)),
        msgspec.structs.replace(draft, payments=()),
        msgspec.structs.replace(draft, form=b"{}"),
        msgspec.structs.replace(draft, form=draft.form.replace(b'"change_index"', b'"changed"')),
        with_coins(draft, form_of(draft).coins[0], form_of(draft).coins[0]),
    ):
        with pytest.raises(NotATransfer):
            wallet.sign(changed)


async def test_only_the_account_s_own_key_signs(wallet: BitcoinWallet) -> None:
    draft = wallet.plan(await wallet.payments(50_000), await wallet.receive(100_000))
    own, other = wallet.key.private_key(), BitcoinWallet(wallet.config, wallet.driver)
    public = bytes(wallet.account.key.serialize())
    for wrong in (other.key.private_key(), own[:-1], own + b"\0", public, b"", bytes(78)):
        with pytest.raises(ValueError, match="private key") as refused:
            wallet.sender.sign(draft, wrong)
        assert own.hex()[-32:] not in str(refused.value)
        assert refused.value.__cause__ is None
    await other.sender.aclose()


async def test_bytes_that_were_changed_are_not_ours(wallet: BitcoinWallet, library: str) -> None:
    held = await wallet.receive(100_000, 90_000)
    draft = wallet.plan(await wallet.payments(150_000), held)
    signed = wallet.sign(draft)

    def changed(change: Callable[[Transaction], object]) -> bytes:
        transaction = Transaction.parse(signed.raw)
        change(transaction)
        return bytes(transaction.serialize())

    def swap(transaction: Transaction) -> None:
        transaction.vin[0].witness, transaction.vin[1].witness = transaction.vin[1].witness, transaction.vin[0].witness

    for raw in (
        b"",
        signed.raw[:-1],  # embit reads these as well
        signed.raw[:-4],
        signed.raw + b"\0",
        changed(lambda tx: setattr(tx, "version", 1)),
        changed(lambda tx: setattr(tx, "locktime", 1)),
        changed(lambda tx: setattr(tx.vin[0], "sequence", 0xFFFFFFFF)),
        changed(lambda tx: setattr(tx.vin[0], "vout", tx.vin[0].vout + 7)),
        changed(lambda tx: setattr(tx.vin[0].script_sig, "data", b"\x51")),
        changed(lambda tx: setattr(tx.vin[0].witness, "items", [])),
        changed(lambda tx: tx.vin[0].witness.items.append(b"")),
        changed(lambda tx: setattr(tx.vout[0], "value", tx.vout[0].value + 1)),
        changed(lambda tx: setattr(tx.vout[0].script_pubkey, "data", b"\x00\x14" + bytes(20))),
        changed(lambda tx: tx.vout.append(tx.vout[0])),
        changed(lambda tx: tx.vout.pop()),
        changed(lambda tx: tx.vin.pop()),
        changed(lambda tx: tx.vin.append(tx.vin[0])),
        changed(swap),
    ):
        with pytest.raises(NotATransfer):
            wallet.sender.parse(raw, draft)


async def test_change_is_known_by_its_address_alone(wallet: BitcoinWallet) -> None:
    (coin,) = await wallet.receive(100_000)
    own = wallet.account.address(INTERNAL_BRANCH, 77)
    draft = wallet.plan([Payment(own, "BTC", 20_000)], [coin])
    parsed = wallet.sender.parse(wallet.sign(draft).raw, draft)
    assert parsed.payments == (Payment(own, "BTC", 20_000),)
    for fee_cap_raw in (draft.fee_cap_raw - 1, draft.fee_cap_raw + 1):
        with pytest.raises(NotATransfer, match="planned are"):
            wallet.sender.parse(wallet.sign(draft).raw, msgspec.structs.replace(draft, fee_cap_raw=fee_cap_raw))
    # With another change address in the form, the change counts as a payment, which nobody has approved.
    form = msgspec.structs.replace(form_of(draft), change_index=78)
    elsewhere = msgspec.structs.replace(draft, form=msgspec.json.encode(form))
    assert len(wallet.sender.parse(wallet.sign(draft).raw, elsewhere).payments) == 2


def test_embit_signs_with_its_library(monkeypatch: pytest.MonkeyPatch) -> None:
    signing.check_library()
    from embit.util import py_secp256k1

    monkeypatch.setattr(ec.secp256k1, "ecdsa_sign", py_secp256k1.ecdsa_sign)
    with pytest.raises(RuntimeError, match="libsecp256k1"):
        signing.check_library()


# Fees that are raised.


async def in_pool(wallet: BitcoinWallet, *txids: str) -> list[InPool]:
    found = await wallet.sender.in_pool(txids)
    return [found[txid] for txid in txids]


async def bumped(
    wallet: BitcoinWallet, draft: Draft, txid: str, coins_: tuple[Coin, ...] = (), *, rate: int = 1_000
) -> Draft | None:
    rules = await wallet.sender.pool_rules()
    assert rules.increment == INCREMENT
    state = CoinState(coins=coins_, change_index=99, rate=rate)
    return wallet.sender.bump(draft, state, await in_pool(wallet, txid), rules.increment)


@pytest.mark.parametrize("address_type", ["p2tr"], indirect=True)  # its sizes are known exactly
async def test_a_bump_pays_exactly_what_the_rules_ask(wallet: BitcoinWallet) -> None:
    draft = wallet.plan(await wallet.payments(50_000), await wallet.receive(100_000))
    first = await wallet.send(draft)

    bump = await bumped(wallet, draft, first.txid)

    assert bump is not None
    assert (bump.payments, bump.claims) == (draft.payments, draft.claims)
    assert bump.fee_cap_raw == draft.fee_cap_raw + fee_raw(INCREMENT, form_of(draft).vsize)
    assert await wallet.sender.broadcast(wallet.sign(with_fee(bump, -1))) is Broadcast.UNDERPRICED
    second = await wallet.send(bump)
    assert await wallet.sender.pooled([first.txid, second.txid]) == [False, True]
    # The first one is not taken again, and nothing but one of the two can ever be mined.
    assert await wallet.sender.broadcast(first) is Broadcast.UNDERPRICED


async def test_a_bump_to_a_rate_pays_that_rate(wallet: BitcoinWallet, library: str) -> None:
    draft = wallet.plan(await wallet.payments(50_000), await wallet.receive(100_000))
    first = await wallet.send(draft)
    bump = await bumped(wallet, draft, first.txid, rate=20_000)
    assert bump is not None
    assert bump.fee_cap_raw == fee_raw(20_000, form_of(bump).vsize)
    await wallet.send(bump)
    # A transaction that our node has dropped may still be in the pools of others.
    state = CoinState(coins=(), change_index=0, rate=1_000)
    dropped = wallet.sender.bump(draft, state, [], INCREMENT)
    assert dropped is not None
    assert dropped.fee_cap_raw == draft.fee_cap_raw + fee_raw(INCREMENT, form_of(draft).vsize)
    too_much = await bumped(wallet, bump, wallet.sign(bump).txid, rate=300_001)
    assert too_much is None


@pytest.mark.parametrize("address_type", ["p2tr"], indirect=True)
async def test_a_bump_pays_for_the_children_of_strangers_too(wallet: BitcoinWallet) -> None:
    """The recipient has spent the payment already, with a transaction of its own that the bump evicts."""
    (payment,) = await wallet.payments(5_000_000)
    draft = wallet.plan([payment], await wallet.receive(10_000_000))
    first = await wallet.send(draft)
    made = await wallet.driver.call(
        "createrawtransaction", [{"txid": first.txid, "vout": 0}], [{await wallet.driver.address(): "0.0499"}]
    )
    child = await wallet.driver.call("signrawtransactionwithwallet", made)
    child_txid = await wallet.driver.call("sendrawtransaction", child["hex"])

    bump = await bumped(wallet, draft, first.txid)

    assert bump is not None
    assert bump.fee_cap_raw == draft.fee_cap_raw + 10_000 + fee_raw(INCREMENT, form_of(draft).vsize)
    assert await wallet.sender.broadcast(wallet.sign(with_fee(bump, -1))) is Broadcast.UNDERPRICED
    assert await wallet.sender.pooled([child_txid]) == [True]
    await wallet.send(bump)
    assert await wallet.sender.pooled([child_txid]) == [False]


async def test_a_bump_spends_one_more_confirmed_coin_where_the_change_does_not_suffice(wallet: BitcoinWallet) -> None:
    held, *confirmed = await wallet.receive(100_000, 20_000, 60_000)
    draft = wallet.plan(await wallet.payments(99_300), [held])
    assert form_of(draft).change_raw == 0
    first = await wallet.send(draft)
    unmined = await wallet.receive(70_000, mined=False)
    own = msgspec.structs.replace(unmined[0], is_change=True)

    # Nodes refuse an unconfirmed coin that is new, also of our own.
    assert await bumped(wallet, draft, first.txid, (own,), rate=20_000) is None
    bump = await bumped(wallet, draft, first.txid, (own, *confirmed), rate=20_000)

    assert bump is not None
    assert set(draft.claims) < set(bump.claims)
    assert sorted(coin.amount_raw for coin in form_of(bump).coins) == [20_000, 100_000]
    second = await wallet.send(bump)
    assert await wallet.sender.pooled([first.txid, second.txid]) == [False, True]
    forced = wallet.plan(bump.payments, [], rate=40_000, required=(*form_of(bump).coins, own))
    with_new_coin = wallet.sign(forced)
    assert (await verdict(wallet, with_new_coin))["reject-reason"].startswith("replacement-adds-unconfirmed")
    assert await wallet.sender.broadcast(with_new_coin) is Broadcast.REFUSED


async def test_a_parent_is_helped_by_its_child(wallet: BitcoinWallet) -> None:
    draft = wallet.plan(await wallet.payments(50_000), await wallet.receive(100_000), rate=1_000)
    parent = await wallet.send(draft)
    change = wallet.change(draft)
    entry = await wallet.driver.call("getmempoolentry", parent.txid)
    (known,) = await in_pool(wallet, parent.txid)
    assert (known.ancestors, known.ancestors_vsize, known.ancestors_fee_raw) == (1, entry["vsize"], draft.fee_cap_raw)

    child_draft = wallet.plan([], [], rate=20_000, required=[change])
    child = await wallet.send(child_draft)

    assert child_draft.payments == ()
    entry = await wallet.driver.call("getmempoolentry", child.txid)
    together = (raw_of(entry["fees"]["ancestor"]), entry["ancestorsize"])
    assert fees.rate_of(*together) >= 20_000
    assert together[0] <= fee_raw(20_000, together[1]) + 50  # each size may be planned a little too large
    await wallet.driver.mine()
    receipts = await wallet.sender.receipts([parent.txid, child.txid])
    assert receipts[parent.txid].fee_raw == draft.fee_cap_raw
    assert receipts[child.txid].fee_raw == child_draft.fee_cap_raw


async def test_a_bump_kills_what_spends_its_change_which_is_then_signed_anew(wallet: BitcoinWallet) -> None:
    held, more = await wallet.receive(200_000, 60_000)
    w1 = wallet.plan(await wallet.payments(50_000), [held])
    first, change = await wallet.send(w1), wallet.change(w1)
    w2 = wallet.plan(await wallet.payments(200_000), [change, more])
    second = await wallet.send(w2)
    assert set(w2.claims) == {change.claim, more.claim}

    bump = await bumped(wallet, w1, first.txid, rate=20_000)
    assert bump is not None
    replaced = await wallet.send(bump)

    assert await wallet.sender.pooled([first.txid, second.txid, replaced.txid]) == [False, False, True]
    assert await wallet.sender.broadcast(second) is Broadcast.CLAIM_USED
    required = spending.required_again(w2, {first.txid: wallet.sender.change_of(bump, replaced.txid)})
    assert required is not None
    anew = wallet.plan(w2.payments, await wallet.receive(500_000), required=required)
    assert set(w2.claims) - set(anew.claims) == {change.claim}
    third = await wallet.send(anew)
    unmined = {
        **{first.txid: w1.claims, second.txid: w2.claims},
        **{replaced.txid: bump.claims, third.txid: anew.claims},
    }
    assert coins.exclude_each_other(second.txid, third.txid, unmined)
    await wallet.driver.mine()
    assert set(await wallet.sender.receipts(list(unmined))) == {replaced.txid, third.txid}
    # Without change the replacement gives nothing that a second attempt could spend: it must wait.
    assert spending.required_again(w2, {first.txid: None}) is None


async def test_a_parent_below_the_floor_of_the_pool_goes_in_with_its_child(tmp_path: Path) -> None:
    """A node whose pool is full, so that it takes nothing at 1 sat/vB any more."""
    with start_bitcoind_for_tests(tmp_path, options=["-maxmempool=5"]) as node:
        driver = await BitcoinDriver.connect(node.rpc_url)
        wallet = BitcoinWallet(bitcoin_network([node.rpc_url]), driver)
        draft = wallet.plan(await wallet.payments(50_000), await wallet.receive(10_000_000), rate=1_100)
        parent = wallet.sign(draft)
        await fill_pool(driver)
        floor = (await wallet.sender.pool_rules()).floor
        assert floor > 1_500
        assert await wallet.sender.broadcast(parent) is Broadcast.UNDERPRICED

        change = wallet.change(draft)
        child = wallet.sign(wallet.plan([], [], rate=2 * floor, required=[change]))
        assert await wallet.sender.broadcast(child) is Broadcast.CLAIM_USED  # its parent is not there
        for _ in range(2):
            assert await wallet.sender.broadcast_package(parent, child) is Broadcast.ACCEPTED
        assert await wallet.sender.pooled([parent.txid, child.txid]) == [True, True]
        poor = wallet.plan(await wallet.payments(50_000), await receive_unmined(wallet, 10_000_000), rate=1_000)
        parent = wallet.sign(poor)
        child = wallet.sign(wallet.plan([], [], rate=1_000, required=[wallet.change(poor)]))
        assert await wallet.sender.broadcast_package(parent, child) is Broadcast.UNDERPRICED
        await wallet.sender.aclose()
        await driver.aclose()


# What the node answers.


async def test_answers_of_the_node_to_signed_bytes(wallet: BitcoinWallet) -> None:
    held = await wallet.receive(1_000_000)
    draft = wallet.plan(await wallet.payments(50_000), held)
    signed = await wallet.send(draft)
    assert await wallet.sender.broadcast(signed) is Broadcast.ACCEPTED  # already in the pool

    rival = wallet.sign(wallet.plan(await wallet.payments(60_000), held))
    assert await wallet.sender.broadcast(rival) is Broadcast.UNDERPRICED
    cheap = wallet.sign(wallet.plan(await wallet.payments(50_000), await wallet.receive(900_000), rate=900))
    assert await wallet.sender.broadcast(cheap) is Broadcast.UNDERPRICED

    # Mined meanwhile, with an output unspent: "already in utxo set"; the rival's coin is gone.
    assert set(await wallet.sender.receipts([signed.txid, rival.txid])) == {signed.txid}
    assert await wallet.sender.broadcast(signed) is Broadcast.CLAIM_USED
    assert await wallet.sender.broadcast(rival) is Broadcast.CLAIM_USED
    assert await wallet.sender.broadcast(Signed("", b"\0")) is Broadcast.REFUSED
    (known,) = await wallet.receive(70_000)
    never_there = msgspec.structs.replace(known, txid=64 * "7")
    lost = wallet.sign(wallet.plan(await wallet.payments(50_000), [never_there]))
    assert await wallet.sender.broadcast(lost) is Broadcast.CLAIM_USED


@pytest.mark.parametrize(
    ("code", "words", "meaning"),
    [
        (-28, "Loading block index…", None),
        (-27, "Transaction already in block chain", Broadcast.CLAIM_USED),
        (-26, "mempool min fee not met, 110 < 330", Broadcast.UNDERPRICED),
        (-25, "bad-txns-inputs-missingorspent", Broadcast.CLAIM_USED),
        (-1, "anything else", Broadcast.REFUSED),
    ],
)
async def test_a_node_that_is_down_does_not_hide_what_another_one_answers(
    code: int, words: str, meaning: Broadcast | None
) -> None:
    """Where none has looked at the bytes, since one starts and one is down, the outcome is unknown."""
    genesis = bitcoin_network(["http://127.0.0.1:9"]).identity
    body = json.dumps([{"id": 0, "result": genesis}, {"id": 1, "error": {"code": code, "message": words}}])

    async def nothing(txids: Collection[str]) -> Mapping[str, str]:
        return {}

    async with fake_node(always(200, body)) as node:
        sender = BitcoinSender(bitcoin_network([node.url, "http://127.0.0.1:9"]), nothing)
        try:
            if meaning is None:
                with pytest.raises(NodeUnavailable):
                    await sender.broadcast(Signed(64 * "1", b"\0"))
            else:
                assert await sender.broadcast(Signed(64 * "1", b"\0")) is meaning
        finally:
            await sender.aclose()


async def test_a_mined_transaction_whose_outputs_are_spent_is_found_by_our_own_scan(wallet: BitcoinWallet) -> None:
    """The node answers the same as to a conflict, and finds no output of it."""
    draft = wallet.plan(await wallet.payments(99_300), await wallet.receive(100_000))
    signed = await wallet.send(draft)
    await wallet.driver.mine()
    made = await wallet.driver.call(
        "createrawtransaction", [{"txid": signed.txid, "vout": 0}], [{await wallet.driver.address(): "0.0009"}]
    )
    spent = await wallet.driver.call("signrawtransactionwithwallet", made)
    await wallet.driver.call("sendrawtransaction", spent["hex"])
    await wallet.driver.mine(2)

    assert await wallet.sender.broadcast(signed) is Broadcast.CLAIM_USED
    assert await wallet.driver.call("gettxout", signed.txid, 0) is None
    receipt = (await wallet.sender.receipts([signed.txid]))[signed.txid]
    assert (receipt.confirmations, receipt.succeeded, receipt.fee_raw) == (3, True, draft.fee_cap_raw)
    assert receipt.height == await wallet.driver.height() - 2
    (payment,) = draft.payments
    assert [(moved.to_address, moved.amount_raw, moved.from_address) for moved in receipt.transfers] == [
        (payment.to_address, payment.amount_raw, None)
    ]
    assert await wallet.sender.pooled([signed.txid]) == [True]


async def test_a_block_that_is_gone_counts_as_no_receipt(wallet: BitcoinWallet) -> None:
    signed = await wallet.send(wallet.plan(await wallet.payments(50_000), await wallet.receive(100_000)))
    (block,) = await wallet.driver.mine()
    assert set(await wallet.sender.receipts([signed.txid])) == {signed.txid}
    assert await wallet.sender.confirmed_height() == await wallet.sender.head_height() - 2

    async def as_before(txids: Collection[str]) -> Mapping[str, str]:
        return dict.fromkeys(txids, block)

    await wallet.driver.roll_back(1)
    await wallet.driver.mine_empty(2)
    late = BitcoinSender(wallet.config, as_before)  # its scan has not seen the reorganisation yet
    assert await late.receipts([signed.txid]) == {}
    await late.aclose()
    assert await wallet.sender.receipts([signed.txid]) == {}
    assert await wallet.sender.broadcast(signed) is Broadcast.ACCEPTED


async def test_a_transaction_is_looked_up_by_its_id(wallet: BitcoinWallet) -> None:
    draft = wallet.plan(await wallet.payments(50_000), await wallet.receive(100_000))
    signed = await wallet.send(draft)
    for _ in range(2):  # in the pool, and in a block
        found = await wallet.sender.look_up(signed.txid)
        assert found is not None
        assert (found.signed, found.draft.claims) == (signed, draft.claims)
        assert found.draft.payments[:1] == draft.payments
        await wallet.driver.mine()
    assert await wallet.sender.look_up(64 * "0") is None
    # One of the customer's has lock time and sequence of another wallet.
    with pytest.raises(NotATransfer):
        await wallet.sender.look_up(await wallet.driver.pay(draft.payments[0].to_address, 10_000))


@pytest.mark.parametrize("address_type", ["p2wpkh"], indirect=True)
async def test_the_26th_in_an_unmined_chain_waits(wallet: BitcoinWallet) -> None:
    (coin,) = await wallet.receive(1_000_000)
    for _ in range(25):
        draft = wallet.plan(await wallet.payments(1_000), [coin])
        signed = await wallet.send(draft)
        coin = wallet.change(draft)
    assert coin.ancestors == 25
    assert (await in_pool(wallet, signed.txid))[0].ancestors == 25
    with pytest.raises(NotEnough):
        wallet.plan(await wallet.payments(1_000), [coin])
    forced = wallet.sign(wallet.plan(await wallet.payments(1_000), [], required=[coin]))
    assert await wallet.sender.broadcast(forced) is Broadcast.REFUSED
    await wallet.driver.mine()
    assert await wallet.sender.broadcast(forced) is Broadcast.ACCEPTED


async def test_the_fee_follows_the_node_and_its_absence_is_no_fee(tmp_path: Path) -> None:
    with start_bitcoind_for_tests(tmp_path) as node:
        driver = await BitcoinDriver.connect(node.rpc_url)
        config = bitcoin_network([node.rpc_url])
        wallet = BitcoinWallet(config, driver)
        assert await driver.call("estimatesmartfee", 3) == {
            "errors": ["Insufficient data or no feerate found"],
            "blocks": 0,
        }
        with pytest.raises(NodeUnavailable, match="no estimate"):
            await wallet.sender.fee_rate()
        lenient = BitcoinSender(msgspec.structs.replace(config, fallback_fee_rate_sat_vb=7), wallet.mined_in)
        assert await lenient.fee_rate() == 7_000
        await lenient.aclose()
        for _ in range(25):
            for _ in range(6):
                await driver.pay(await driver.address(), 100_000, fee_rate=12)
            await driver.mine()
        assert 11_000 < await wallet.sender.fee_rate() < 13_000
        strict = BitcoinSender(msgspec.structs.replace(config, max_fee_rate_sat_vb=10), wallet.mined_in)
        with pytest.raises(FeeAboveCeiling):
            await strict.fee_rate()
        for sender in (strict, wallet.sender):
            await sender.aclose()
        await driver.aclose()


async def fill_pool(driver: BitcoinDriver) -> None:
    """Fill a pool of 5 MB with large transactions of the customer's, until the node raises its floor."""
    await driver.mine(60)  # so that as many more rewards can be spent
    script = Script(b"\x00\x14" + 20 * b"\xab")  # somebody else's: the wallet is slow with many outputs
    for number, coin in enumerate(await driver.call("listunspent", 1)):
        rest_raw = raw_of(coin["amount"]) - 2_500 * 1_000 - 100_000 * (number + 2)
        outputs = [*(2_500 * [TransactionOutput(1_000, script)]), TransactionOutput(rest_raw, script)]
        spent = TransactionInput(bytes.fromhex(coin["txid"]), coin["vout"])
        made = Transaction(vin=[spent], vout=outputs).serialize().hex()
        signed = await driver.call("signrawtransactionwithwallet", made)
        await driver.call("sendrawtransaction", signed["hex"], 0)
        info = await driver.call("getmempoolinfo")
        if info["mempoolminfee"] > info["minrelaytxfee"]:
            return
    raise AssertionError("the pool is not full")


async def receive_unmined(wallet: BitcoinWallet, amount_raw: int) -> tuple[Coin, ...]:
    """A coin that no block has, which counts as our own change."""
    coins_ = await wallet.receive(amount_raw, mined=False)
    return tuple(msgspec.structs.replace(coin, is_change=True) for coin in coins_)
