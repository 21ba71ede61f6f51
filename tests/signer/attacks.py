"""What somebody writes who owns the database, and has the secrets of web and workers, to be paid on any network.

Each attack prepares one payment, payout or refund, and returns its id and what the signer says of it. Nobody of the
signer's file has signed what it would pay. Attacks on what all payments share come last, so that the earlier ones
could still be prepared.
"""

from collections.abc import Awaitable, Callable

import pytest

from app.accounts.passkeys import PasskeyRefused
from app.core import clock, ids
from app.core.webauthn import request_options
from app.withdrawals.digest import digest
from tests.factories.tampering import as_superuser
from tests.fakes.authenticator import Authenticator
from tests.signer.approving import Desk

Attack = Callable[[Desk, str], Awaitable[tuple[str, str]]]

NOBODY = "0 of 1"


async def forged_withdrawal(desk: Desk, kind: str) -> tuple[str, str]:
    """A whole row that nobody has requested, with an approval and a signature of the attacker's own."""
    like, new = await desk.request(kind), ids.new_id(ids.REFUND if kind == "refund" else ids.PAYOUT)
    await as_superuser(
        f'INSERT INTO withdrawals SELECT (jsonb_populate_record(w, \'{{"id": "{new}"}}\')).* FROM withdrawals w'
        f" WHERE w.id = '{like}'"
    )
    await desk.change(new, f"destination = '{await desk.stranger()}'")
    await desk.forge(new, await desk.signed_by("", new, device=Authenticator(desk.origin)))
    return new, NOBODY


async def forged_approval(desk: Desk, kind: str) -> tuple[str, str]:
    payment = await desk.request(kind)
    await desk.forge(payment, "{}")
    return payment, NOBODY


async def edited(desk: Desk, kind: str, change: str) -> tuple[str, str]:
    payment = await desk.approved("ada", kind=kind)
    await desk.change(payment, change)
    return payment, NOBODY


async def edited_destination(desk: Desk, kind: str) -> tuple[str, str]:
    return await edited(desk, kind, f"destination = '{await desk.stranger()}'")


async def edited_amount(desk: Desk, kind: str) -> tuple[str, str]:
    return await edited(desk, kind, "amount_raw = amount_raw + 1")


async def edited_memo(desk: Desk, kind: str) -> tuple[str, str]:
    """No network here has memos: a row with one is not what was signed."""
    return await edited(desk, kind, "destination_memo = 'mine'")


async def edited_asset(desk: Desk, kind: str) -> tuple[str, str]:
    return await edited(desk, kind, f"asset = '{desk.other_assets[0]}'")


async def edited_alone(desk: Desk, kind: str) -> tuple[str, str]:
    """An attacker who has not thought of the digest."""
    payment = await desk.approved("ada", kind=kind)
    await as_superuser(f"UPDATE withdrawals SET destination = '{await desk.stranger()}' WHERE id = '{payment}'")
    return payment, "it is not what was approved"


async def edited_network(desk: Desk, kind: str) -> tuple[str, str]:
    """Signed for another network, say where the same address is somebody else's, and brought to this one."""
    payment = await desk.request(kind)
    await desk.forge(payment, await desk.signed_by("ada", payment, network="polygon:live"))
    return payment, NOBODY


async def signature_of_same_fields(desk: Desk, kind: str) -> tuple[str, str]:
    """Asset, amount and destination are those of a payment that ada has signed."""
    destination = await desk.stranger()
    signed = await desk.request("refund" if kind == "payout" else "payout", destination=destination)
    payment = await desk.request(kind, destination=destination)
    await desk.forge(payment, await desk.signed_by("ada", signed))
    return payment, NOBODY


async def edited_threshold(desk: Desk, kind: str) -> tuple[str, str]:
    payment = await desk.request(kind, desk.large)
    await as_superuser(f"UPDATE withdrawals SET approvals_required = 1 WHERE id = '{payment}'")
    await desk.forge(payment, await desk.signed_by("ada", payment))
    return payment, "1 of 2"


async def one_signature_twice(desk: Desk, kind: str) -> tuple[str, str]:
    """Ada's signature in ben's name too."""
    payment = await desk.approved("ada", kind=kind, amount=desk.large)
    await desk.sign_in_name_of("ben", payment, await desk.signed_by("ada", payment))
    return payment, "1 of 2"


async def wrong_answer(desk: Desk, kind: str, **attributes: object) -> tuple[str, str]:
    """Ada's device has signed, but at another site, without asking who she is, or something else."""
    payment, device = await desk.request(kind), desk.devices["ada"]
    before = {name: getattr(device, name) for name in attributes}
    for name, value in attributes.items():
        setattr(device, name, value)
    if attributes:
        answer = await desk.signed_by("ada", payment)
    else:
        answer = device.sign(request_options(desk.setup.services.passkeys.party, ids.random_bytes(32)))
    for name, value in before.items():
        setattr(device, name, value)
    with pytest.raises(PasskeyRefused):  # the web process refuses it too
        await desk.setup.services.approvals.approve_by_passkey(payment, desk.operators["ada"].id, answer, clock.now())
    await desk.forge(payment, answer)
    return payment, NOBODY


async def other_origin(desk: Desk, kind: str) -> tuple[str, str]:
    return await wrong_answer(desk, kind, origin="https://pay.example.evil")


async def other_rp_id(desk: Desk, kind: str) -> tuple[str, str]:
    return await wrong_answer(desk, kind, rp_id="example.evil")


async def unverified_user(desk: Desk, kind: str) -> tuple[str, str]:
    return await wrong_answer(desk, kind, flags=0x01)


async def other_challenge(desk: Desk, kind: str) -> tuple[str, str]:
    return await wrong_answer(desk, kind)


async def added_operator(desk: Desk, kind: str) -> tuple[str, str]:
    """Mallory is an operator by the database, with a passkey; the desk takes the approval."""
    if "mallory" not in desk.operators:
        await desk.enrol("mallory")
    return await desk.approved("mallory", kind=kind), NOBODY


async def changed_public_key(desk: Desk, kind: str) -> tuple[str, str]:
    """Ada's passkey has the attacker's key by the database; the desk takes the approval."""
    payment, mine = await desk.request(kind), Authenticator(desk.origin)
    mine.credential_id = desk.devices["ada"].credential_id
    await as_superuser(
        f"UPDATE passkeys SET public_key = '\\x{mine.public_key.hex()}', sign_count = 0"
        f" WHERE credential_id = '\\x{mine.credential_id.hex()}'"
    )
    answer = await desk.signed_by("", payment, device=mine)
    await desk.setup.services.approvals.approve_by_passkey(payment, desk.operators["ada"].id, answer, clock.now())
    return payment, NOBODY


async def cut_off_audit_log(desk: Desk, kind: str) -> tuple[str, str]:
    payment = await desk.request(kind)
    await desk.forge(payment, await desk.signed_by("", payment, device=Authenticator(desk.origin)))
    await as_superuser("DELETE FROM audit_entries")
    return payment, NOBODY


ATTACKS: tuple[Attack, ...] = (
    *(forged_withdrawal, forged_approval),
    *(edited_destination, edited_amount, edited_memo, edited_asset, edited_alone, edited_network),
    *(signature_of_same_fields, edited_threshold, one_signature_twice),
    *(other_origin, other_rp_id, unverified_user, other_challenge),
    *(added_operator, changed_public_key, cut_off_audit_log),
)
"""Beside these: what was paid, set back to be paid again (tests/signer/test_attacks.py)."""


async def payments_under_attack(desk: Desk) -> dict[str, tuple[str, str]]:
    """Every attack on a payout and on a refund: the payment's id and what the signer says of it, by the attack."""
    under_attack = {}
    for attack in ATTACKS:
        if attack is edited_asset and not desk.other_assets:
            continue
        for kind in ("payout", "refund"):
            under_attack[f"{attack.__name__} of a {kind}"] = await attack(desk, kind)
    assert len({digest(await desk.intent_of(payment)) for payment, _ in under_attack.values()}) == len(under_attack)
    return under_attack
