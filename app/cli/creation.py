"""`swap-pay create-…`: operators, merchants and API keys, from a terminal or from a script without one.

`--json` prints one object and nothing else. Exit codes: 0 created, 1 refused, 2 wrong options, 3 exists already.
"""

import sys
from typing import Any, cast

import click
import msgspec
import pyotp

from app.accounts import links, passwords
from app.accounts import repository as accounts_repository
from app.accounts import service as accounts
from app.accounts.links_repository import Link
from app.accounts.repository import Person
from app.api_keys import service as api_keys
from app.api_keys.scopes import Scope
from app.cli.running import audit, with_services
from app.core import clock, database, ids
from app.core.clock import rfc3339
from app.core.email_address import as_kept
from app.merchants import service as merchants
from app.wiring import Services


class AlreadyThere(click.ClickException):
    """What was to be created exists. It has its own exit code, so that a script that runs again can continue."""

    exit_code = 3


as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


@click.command("create-operator")
@click.option("--email", required=True)
@click.option("--name", required=True)
@click.option(
    "--password", help="Prompted for if left out; 8 to 128 characters. Other users of the host can see it here."
)
@click.option("--password-stdin", is_flag=True, help="Read the password from the first line of standard input.")
@click.option("--link", is_flag=True, help="Print a link by which the operator chooses the password, once, in an hour.")
@as_json
def create_operator(
    email: str, name: str, password: str | None, password_stdin: bool, link: bool, as_json: bool
) -> None:
    """Create an operator's account. Prints the TOTP secret, once.

    Exits with 3 if the address has an account already.
    """
    if [password is not None, password_stdin, link].count(True) > 1:
        raise click.UsageError("give one of --password, --password-stdin and --link")
    # With a link the first password is a random one, which is not stored in clear or shown.
    chosen = ids.new_secret() if link else _password(password, from_stdin=password_stdin)

    async def create(services: Services) -> dict[str, str]:
        now = clock.now()
        passwords.check(chosen, email=email)
        async with database.transaction():
            try:
                account = await accounts.create(
                    services.settings.data_keys, email=email, name=name, password=chosen, is_operator=True, now=now
                )
            except accounts.AccountExists as error:
                raise AlreadyThere(error.message) from None
            await audit("operator.created", account.id)
            made = {
                "id": account.id,
                "email": account.email,
                "totp_secret": account.totp_secret,
                "totp_uri": pyotp.TOTP(account.totp_secret).provisioning_uri(
                    name=account.email, issuer_name="Swap Pay"
                ),
            }
            if link:
                token = await links.create(
                    "password_reset", Link(account_id=account.id, email=account.email, credentials_version=0), now
                )
                made["password_url"] = f"{services.settings.public_url}/reset-password?token={token}"
                made["password_url_expires_at"] = rfc3339(now + links.LIFETIME["password_reset"])
        return made

    made = with_services(create)
    if as_json:
        _print(made)
        return
    click.echo(f"Operator {made['id']} ({made['email']}).")
    click.echo(f"TOTP secret, shown this once: {made['totp_secret']}")
    click.echo(made["totp_uri"])
    if link:
        click.echo(f"Choose the password, once, until {made['password_url_expires_at']}: {made['password_url']}")


@click.command("create-merchant")
@click.option("--name", required=True)
@click.option("--fee-bps", type=int, default=80, show_default=True, help="The service fee, in 1/10,000.")
@click.option("--fee-payer", type=click.Choice(["merchant", "customer"]), default="merchant", show_default=True)
@as_json
def create_merchant(name: str, fee_bps: int, fee_payer: str, as_json: bool) -> None:
    """Create an approved merchant that accepts every configured asset. Prints its id.

    Names are not unique: called twice, it creates two merchants.
    """

    async def create(services: Services) -> str:
        async with database.transaction():
            merchant_id = await merchants.create(
                name=name, service_fee_bps=fee_bps, fee_payer=cast(Any, fee_payer), now=clock.now()
            )
            await merchants.enable_all_assets(merchant_id, services.networks)
            await audit("merchant.created", merchant_id)
        return merchant_id

    merchant_id = with_services(create)
    if as_json:
        _print({"id": merchant_id})
    else:
        click.echo(merchant_id)


@click.command("create-key")
@click.option("--merchant", required=True, help="MCH-…")
@click.option("--mode", type=click.Choice(["live", "test"]), required=True)
@click.option("--name", required=True)
@click.option("--scope", "scopes", multiple=True, type=click.Choice([scope.value for scope in Scope]), required=True)
@click.option("--allow", "allowlist", multiple=True, help="An address or CIDR that may use the key; repeatable.")
@click.option("--rate-limit", type=int, default=api_keys.DEFAULT_RATE_LIMIT_PER_MINUTE, show_default=True)
@click.option(
    "--holder", help="Email of the account that gets the key: as an operator it can't approve what the key requests."
)
@as_json
def create_key(
    merchant: str,
    mode: str,
    name: str,
    scopes: tuple[str, ...],
    allowlist: tuple[str, ...],
    rate_limit: int,
    holder: str | None,
    as_json: bool,
) -> None:
    """Create an API key. Prints it, once."""

    async def create(services: Services) -> tuple[str, str]:
        async with database.transaction():
            key, secret = await api_keys.issue(
                services.settings.api_key_peppers,
                merchant_id=merchant,
                mode=cast(Any, mode),
                name=name,
                scopes=scopes,
                allowlist=allowlist,
                seen_by=None if holder is None else (await _account(holder)).id,
                rate_limit_per_minute=rate_limit,
                now=clock.now(),
            )
            await audit("api_key.issued", key.id, merchant, holder=holder)
        return key.id, secret

    key_id, secret = with_services(create)
    if as_json:
        _print({"id": key_id, "key": secret})
    else:
        click.echo(secret)


async def _account(email: str) -> Person:
    person = await accounts_repository.by_email(as_kept(email))
    if person is None:
        raise click.ClickException(f"no account has the address {email}")
    return person


def _password(given: str | None, *, from_stdin: bool) -> str:
    if given is not None:
        return given
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        raise click.UsageError("there is no terminal to ask for the password: give --password-stdin or --link")
    return str(click.prompt("Password", hide_input=True, confirmation_prompt=True))


def _print(made: dict[str, str]) -> None:
    click.echo(msgspec.json.encode(made).decode())
