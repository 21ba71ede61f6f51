"""Rotating the data key: every encrypted value is encrypted again, and only the new key decrypts it."""

import base64
import os
from dataclasses import replace

import pytest

from app.accounts import service as accounts
from app.core import clock, database, key_rotation
from app.core.crypto import Undecryptable, decrypt
from app.core.email_address import EmailAddress
from app.core.settings import DataKeys, Settings
from app.mail import sealing as letter_bodies
from app.mail import service as mail
from app.mail.letters import Kind, letter
from app.webhooks import secrets
from tests.factories.letters import letters
from tests.factories.merchants import merchant
from tests.factories.webhooks import make_endpoint


@pytest.mark.usefixtures("db")
async def test_resealed_secrets_open_with_the_new_key_alone(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = settings.data_keys
    endpoint = await make_endpoint(
        merchant_id=await merchant(), mode="test", url="https://example.test/hook", keys=old, now=clock.now()
    )
    await database.execute("UPDATE webhook_endpoints SET previous_secret_sealed = secret_sealed")
    account = await accounts.create(
        old, email="op@example.test", name="Op", password="a long password 1", is_operator=True, now=clock.now()
    )
    letter_bodies.use_keys(old)
    for number in range(3):
        async with database.transaction():
            written = letter(Kind.SECURITY, "S", f"link {number}")
            await mail.enqueue(EmailAddress(str(number), "example.test"), written, clock.now())
    new = os.urandom(32)
    both = DataKeys({"k2": new, **old.keys})

    told: list[tuple[str, int, int]] = []
    monkeypatch.setattr(key_rotation, "ROWS_AT_ONCE", 2)

    async def reseal_all() -> tuple[int, int, int]:
        return (
            await secrets.reseal_all(both),
            await accounts.reseal_all(both),
            await letter_bodies.reseal_all(both, lambda *progress: told.append(progress)),
        )

    assert await reseal_all() == (2, 1, 3)
    assert told == [("mail_outbox", 2, 3), ("mail_outbox", 3, 3)]
    assert await reseal_all() == (0, 0, 0)

    alone = DataKeys({"k2": new})
    letter_bodies.use_keys(alone)
    assert [waiting.body for waiting in await letters()] == ["link 2", "link 1", "link 0"]
    row = await database.fetch_one("SELECT secret_sealed, previous_secret_sealed FROM webhook_endpoints")
    assert row is not None
    assert {secrets.open_sealed(alone, endpoint.id, sealed) for sealed in row} == {endpoint.secret}
    totp = await database.fetch_value("SELECT totp_secret_sealed FROM accounts")
    assert decrypt(alone, totp, purpose=f"totp:{account.id}") == account.totp_secret


@pytest.mark.usefixtures("db")
async def test_a_key_removed_too_early_is_named(settings: Settings) -> None:
    await make_endpoint(
        merchant_id=await merchant(), mode="test", url="https://e.test/", keys=settings.data_keys, now=clock.now()
    )
    rotated = replace(settings, data_keys=DataKeys({"k9": base64.b64decode(base64.b64encode(os.urandom(32)))}))
    with pytest.raises(Undecryptable, match="k1"):
        await secrets.reseal_all(rotated.data_keys)
