"""What the signer refuses to sign on bitcoin, whatever the database says, and whose keys it takes."""

from pathlib import Path

import msgspec
import pytest

from app.core import database
from app.networks.bitcoin.config import BitcoinConfig
from app.networks.bitcoin.spending import form_of
from app.networks.config import NetworkConfig
from app.networks.networks_file import load_networks
from app.networks.sending import Parsed, Payment
from app.signer import repository
from app.signer.coin_keys import CoinKeys
from app.signer.environment import SignerSettingsError
from app.signer.funds import NotOurs
from app.signer.keystore import SpendingKeys, new_mnemonic
from app.signer.settings import check_networks
from app.signer.wallet import BytesDiffer
from tests.factories.bitcoin import NETWORK, bitcoin_networks_toml, hot_wallet
from tests.factories.tampering import as_superuser
from tests.signer.bitcoin_under_test import ACCOUNT_PATH, BitcoinUnderTest


def test_the_keys_must_be_those_of_the_account(tmp_path: Path) -> None:
    ours, stranger = SpendingKeys(new_mnemonic()), SpendingKeys(new_mnemonic())
    path = tmp_path / "networks.toml"

    def written(keys: SpendingKeys) -> list[NetworkConfig]:
        xpub = keys.account(ACCOUNT_PATH).xpub
        hot = f'"{hot_wallet(xpub)}"'
        path.write_text(bitcoin_networks_toml("http://127.0.0.1:1", xpub, hot_wallet_address=hot))
        return list(load_networks(path).values())

    check_networks(written(ours), ours)
    with pytest.raises(SignerSettingsError, match="it could not spend"):
        check_networks(written(stranger), ours)


async def test_only_coins_of_ours_are_spent_and_only_change_is_paid_without_a_payout(
    bitcoin_setup: BitcoinUnderTest,
) -> None:
    setup = bitcoin_setup
    network = setup.services.networks.get(NETWORK)
    assert isinstance(network, BitcoinConfig)
    keys = CoinKeys(network, setup.keys)
    coin, other = await setup.coins(), await setup.node.address()
    claim = f"coin:{coin[0]['txid']}:{coin[0]['vout']}"
    payout = Parsed(payments=(Payment(other, "BTC", 1_000),), claims=(claim,))
    await keys.check_route(payout, "withdrawal")
    for purpose in ("sweep", "gas"):
        with pytest.raises(NotOurs, match=f"no {purpose} goes to"):
            await keys.check_route(payout, purpose)
    with pytest.raises(NotOurs, match="is not a coin of ours"):
        await keys.check_route(msgspec.structs.replace(payout, claims=(f"coin:{64 * '0'}:0",)), "withdrawal")
    # A row that calls another address ours is not trusted.
    await database.execute("INSERT INTO change_addresses (network, index, address) VALUES ($1, 7, $2)", NETWORK, other)
    with pytest.raises(NotOurs, match="no sweep goes to"):
        await keys.check_route(payout, "sweep")
    await as_superuser(f"UPDATE coins SET index = index + 100 WHERE id = {coin[0]['id']}")
    with pytest.raises(NotOurs, match="is not a coin of ours"):
        await keys.check_route(payout, "withdrawal")


async def test_a_coin_with_another_amount_in_its_row_pays_nobody(bitcoin_setup: BitcoinUnderTest) -> None:
    """A signature covers the amount of each coin: with a wrong one, no node takes the transaction."""
    setup = bitcoin_setup
    await as_superuser("UPDATE coins SET amount_raw = amount_raw + 50000000")
    payouts = await setup.approved("0.5")
    await setup.signer.tick()
    assert await setup.node.pool() == []
    assert await setup.statuses(payouts) == ["approved"]
    assert (await setup.alerts())["transaction_refused"] == "warning"


async def test_a_stored_transaction_that_was_edited_is_not_replaced(bitcoin_setup: BitcoinUnderTest) -> None:
    setup = bitcoin_setup
    payouts = await setup.approved("0.5")
    await setup.signer.tick()
    (sent,) = await setup.attempts()
    ((stored,),) = await repository.under_way(NETWORK)
    form = form_of(stored.draft)
    edited = msgspec.json.encode(msgspec.structs.replace(form, change_raw=form.change_raw - 1_000)).decode()
    await as_superuser(f"UPDATE outgoing_transactions SET form = '{edited}' WHERE id = {sent['id']}")
    with pytest.raises((NotOurs, BytesDiffer)):
        await setup.wait_for_bump()
    assert len(await setup.attempts()) == 1
    assert await setup.received_raw(payouts[0].destination) == 0


async def test_an_edited_payout_is_refused_and_the_others_are_paid(bitcoin_setup: BitcoinUnderTest) -> None:
    setup = bitcoin_setup
    payouts = await setup.approved("0.1", "0.2", "0.3")
    edited, *honest = payouts
    stranger = await setup.node.address()
    await as_superuser(f"UPDATE withdrawals SET destination = '{stranger}' WHERE id = '{edited.id}'")
    await setup.until_confirmed(honest)
    assert (await setup.read(edited.id)).status == "approved"
    assert (await setup.alerts())["signer_refused_digest"] == "critical"
    assert await setup.received_raw(stranger) == 0
    await as_superuser(f"UPDATE withdrawals SET destination = '{edited.destination}' WHERE id = '{edited.id}'")
    await setup.assert_paid_once(honest)
