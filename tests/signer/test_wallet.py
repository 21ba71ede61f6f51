"""The bytes decide: signed bytes that differ from what was approved and planned are neither stored nor sent."""

from collections.abc import Callable, Mapping

import msgspec
import pytest

from app.core import ids
from app.networks.evm.sending import EvmSender
from app.networks.sending import AccountState, Draft, Payment, Signed
from app.signer.wallet import BytesDiffer
from tests.signer.signer_under_test import NETWORK, SignerUnderTest, new_address

Sign = Callable[[EvmSender, Draft, bytes], Signed]

THIEF = new_address()


def instead(**changes: object) -> Callable[[Sign], Sign]:
    """A `sign` that changes the payment of what it is given, as a library that was tampered with would."""

    def make(honest: Sign) -> Sign:
        def sign(sender: EvmSender, draft: Draft, key: bytes) -> Signed:
            (payment,) = draft.payments
            return honest(sender, msgspec.structs.replace(draft, payments=(payment_with(payment, changes),)), key)

        return sign

    return make


def payment_with(payment: Payment, changes: Mapping[str, object]) -> Payment:
    return msgspec.structs.replace(payment, **changes)


def under_the_next_nonce(honest: Sign) -> Sign:
    def sign(sender: EvmSender, draft: Draft, key: bytes) -> Signed:
        return honest(sender, sender.with_nonce(draft, 1), key)

    return sign


def with_another_key(honest: Sign) -> Sign:
    return lambda sender, draft, key: honest(sender, draft, ids.random_bytes(32))


def cut_short(honest: Sign) -> Sign:
    def sign(sender: EvmSender, draft: Draft, key: bytes) -> Signed:
        signed = honest(sender, draft, key)
        return Signed(signed.txid, signed.raw[:-1])

    return sign


FAULTS = {
    "another recipient": instead(to_address=THIEF),
    "a larger amount": instead(amount_raw=12_000_001),
    "a smaller amount": instead(amount_raw=11_999_999),
    "another asset": instead(asset_symbol="ETH"),
    "another nonce": under_the_next_nonce,
    "another key": with_another_key,
    "bytes that are no transaction": cut_short,
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
async def test_other_bytes_are_not_stored_and_stop_the_signer(
    setup: SignerUnderTest, monkeypatch: pytest.MonkeyPatch, fault: Callable[[Sign], Sign]
) -> None:
    requested = await setup.approved("12.00")
    monkeypatch.setattr(EvmSender, "sign", fault(EvmSender.sign))
    with pytest.raises(BytesDiffer):
        await setup.signer.tick()
    await setup.signer._tick_then_pause_s()
    assert await setup.alerts() == {"signer_halted": "critical"}
    assert await setup.transactions() == []
    assert await setup.driver.call("eth_getTransactionCount", setup.hot, "latest") == "0x0"
    # Once it signs honestly again, the payout is paid under the first nonce.
    monkeypatch.undo()
    await setup.until_confirmed(requested.id)
    assert [row["nonce"] for row in await setup.transactions()] == [0]
    assert await setup.sent_to(requested.destination) == [12_000_000]
    assert await setup.sent_to(THIEF) == []
    await setup.check()


async def test_a_draft_that_was_changed_after_approval_is_refused_by_its_digest(setup: SignerUnderTest) -> None:
    """Not only the library may be changed, also what it is given: the digest is that of the approval."""
    await setup.approved("12.00")
    honest = setup.signer._funds.plan

    async def plan(intents: object) -> Draft:
        draft = await honest(intents)  # type: ignore[arg-type]
        return msgspec.structs.replace(draft, payments=(payment_with(draft.payments[0], {"to_address": THIEF}),))

    setup.signer._funds.plan = plan  # type: ignore[method-assign]
    with pytest.raises(BytesDiffer, match="than was approved"):
        await setup.signer.tick()
    assert await setup.transactions() == []


async def test_signed_bytes_are_read_as_what_was_planned(setup: SignerUnderTest) -> None:
    sender = setup.services.networks.account_sender(NETWORK)
    for payment in (Payment(new_address(), "USDT", 2**256 - 1), Payment(new_address(), "ETH", 1)):
        state = AccountState(
            sender=setup.hot, nonce=7, gas_limit=60_000, max_fee_raw=10**9, priority_fee_raw=1, data_fee_raw=5
        )
        draft = sender.plan([payment], state)
        parsed = sender.parse(sender.sign(draft, setup.keys.hot_wallet_key()).raw, draft)
        assert (parsed.payments, parsed.claims) == ((payment,), (f"nonce:{setup.hot}:7",))
        assert (parsed.sender, parsed.nonce) == (setup.hot, 7)
        assert draft.fee_cap_raw == 60_000 * 10**9 + 5
