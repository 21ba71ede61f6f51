"""Commands about keys: create new ones, and encrypt secrets again with the current one."""

import base64

import click

from app.accounts import service as accounts
from app.cli.running import audit, with_services
from app.core import ids
from app.core.crypto import Undecryptable
from app.core.key_rotation import ROWS_AT_ONCE
from app.core.settings import MIN_SECRET_BYTES
from app.mail import sealing as letter_bodies
from app.webhooks import secrets as webhook_secrets
from app.wiring import Services


@click.command("new-secret")
def new_secret() -> None:
    """Print 32 random bytes in base64, the format of every key and secret in the settings."""
    click.echo(base64.b64encode(ids.random_bytes(MIN_SECRET_BYTES)).decode())


@click.command("rotate-data-key")
def rotate_data_key() -> None:
    """Encrypt webhook and TOTP secrets, and mail that waits, again with the first key of DATA_KEYS.

    Safe while the gateway runs, and safe to run twice or to interrupt: run again, it goes on with what is left. When it
    prints 0, older keys can be removed (docs/operations.md).
    """

    async def rotate(services: Services) -> tuple[int, int, int]:
        data_keys = services.settings.data_keys
        try:
            webhooks = await webhook_secrets.reseal_all(data_keys, _tell)
            totp = await accounts.reseal_all(data_keys, _tell)
            letters = await letter_bodies.reseal_all(data_keys, _tell)
        except Undecryptable as error:
            raise click.ClickException(f"{error}: put the key that sealed it back into DATA_KEYS") from None
        await audit("data_key.rotated", data_keys.current, webhook_secrets=webhooks, totp_secrets=totp, letters=letters)
        return webhooks, totp, letters

    webhooks, totp, letters = with_services(rotate)
    click.echo(f"sealed again: {webhooks} webhook secrets, {totp} TOTP secrets, {letters} emails")


def _tell(table: str, done: int, total: int) -> None:
    """Say on the terminal how far a long table is."""
    if total > ROWS_AT_ONCE:
        click.echo(f"{table}: {done:,} of {total:,}", err=True)
