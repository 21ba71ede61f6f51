"""`swap-pay …`: what an operator types, and what the Procfile runs."""

import asyncio
from typing import Any, cast

import click
import pyotp
import uvloop

from app.accounts import service as accounts
from app.api_keys import service as api_keys
from app.api_keys.scopes import Scope
from app.commands import alerts, books, doctor, keys, web
from app.commands.running import audit as _audit
from app.commands.running import plain_errors as _plain_errors
from app.commands.running import settings as _settings
from app.commands.running import with_gateway as _with_gateway
from app.commands.signer import signer
from app.core import clock, database, logging, migrations
from app.gateway import Gateway, running, wire
from app.merchants import service as merchants
from app.refunds.cli import reviews_group
from app.sandbox.cli import sandbox
from app.withdrawals import cli as withdrawals_cli
from app.withdrawals.signer_settings import refuse_secrets
from workers import process, queues


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
def main() -> None:
    """Swap Pay: a self-hosted crypto payment gateway. Settings come from the environment (docs/configuration.md)."""


main.add_command(sandbox)


@main.command()
@click.argument("queue", type=click.Choice(list(queues.QUEUES)))
def worker(queue: str) -> None:
    """Run a worker: `chain` watches networks, `signer` sends what is approved, `webhooks` delivers events,
    `default` sends mail and tidies up. The signer alone may have spending keys in its environment."""
    settings = _settings()
    if queue != "signer":
        with _plain_errors():
            refuse_secrets()
    logging.configure(level=settings.log_level, json=settings.log_format == "json")

    async def work() -> None:
        async with running(wire(settings)) as gateway:
            await process.run(queues.QUEUES[queue], gateway)

    with _plain_errors():
        uvloop.run(work())


@main.command()
def migrate() -> None:
    """Bring the database to the schema of this version."""
    settings = _settings()
    click.echo(asyncio.run(migrations.migrate(settings.database_url)))


@main.command("create-operator")
@click.option("--email", required=True)
@click.option("--name", required=True)
@click.password_option(help="Asked for if not given; 8 to 128 characters.")
def create_operator(email: str, name: str, password: str) -> None:
    """Make an account for a member of staff. Prints the TOTP secret, once."""

    async def create(gateway: Gateway) -> accounts.NewAccount:
        now = clock.now()
        async with database.transaction():
            account = await accounts.create(
                gateway.settings.data_keys, email=email, name=name, password=password, is_operator=True, now=now
            )
            await _audit("operator.created", account.id)
        return account

    account = _with_gateway(create)
    click.echo(f"Operator {account.id} ({account.email}).")
    click.echo(f"TOTP secret, shown this once: {account.totp_secret}")
    click.echo(pyotp.TOTP(account.totp_secret).provisioning_uri(name=account.email, issuer_name="Swap Pay"))


@main.command("create-merchant")
@click.option("--name", required=True)
@click.option("--fee-bps", type=int, default=80, show_default=True, help="The service fee, in 1/10,000.")
@click.option("--fee-payer", type=click.Choice(["merchant", "customer"]), default="merchant", show_default=True)
def create_merchant(name: str, fee_bps: int, fee_payer: str) -> None:
    """Make an approved merchant that takes every configured asset."""

    async def create(gateway: Gateway) -> str:
        async with database.transaction():
            merchant_id = await merchants.create(
                name=name, service_fee_bps=fee_bps, fee_payer=cast(Any, fee_payer), now=clock.now()
            )
            await merchants.enable_all_assets(merchant_id, gateway.networks)
            await _audit("merchant.created", merchant_id)
        return merchant_id

    click.echo(_with_gateway(create))


@main.command("create-key")
@click.option("--merchant", required=True, help="MCH-…")
@click.option("--mode", type=click.Choice(["live", "test"]), required=True)
@click.option("--name", required=True)
@click.option("--scope", "scopes", multiple=True, type=click.Choice([scope.value for scope in Scope]), required=True)
@click.option("--allow", "allowlist", multiple=True, help="An address or CIDR that may use the key; repeatable.")
@click.option("--rate-limit", type=int, default=api_keys.DEFAULT_RATE_LIMIT_PER_MINUTE, show_default=True)
def create_key(
    merchant: str, mode: str, name: str, scopes: tuple[str, ...], allowlist: tuple[str, ...], rate_limit: int
) -> None:
    """Make an API key. Prints it, once."""

    async def create(gateway: Gateway) -> str:
        async with database.transaction():
            key, secret = await api_keys.issue(
                gateway.settings.api_key_peppers,
                merchant_id=merchant,
                mode=cast(Any, mode),
                name=name,
                scopes=scopes,
                allowlist=allowlist,
                rate_limit_per_minute=rate_limit,
                now=clock.now(),
            )
            await _audit("api_key.issued", key.id, merchant)
        return secret

    click.echo(_with_gateway(create))


@main.command()
@click.argument("name", type=click.Choice(["invoices", "payouts", "refunds"]))
@click.argument("state", type=click.Choice(["pause", "resume"]))
@click.option("--reason", default="", help="Why, for the audit log.")
def switch(name: str, state: str, reason: str) -> None:
    """Pause new invoices, payouts or refunds for all merchants, or resume them."""

    async def turn(_: Gateway) -> None:
        async with database.transaction():
            if state == "pause":
                await merchants.pause(cast(Any, name), reason, clock.now())
            else:
                await merchants.resume(cast(Any, name))
            await _audit(f"switch.{state}d", name, reason=reason)

    _with_gateway(turn)
    click.echo(f"{name}: {state}d")


web.register(main)
books.register(main)
alerts.register(main)
keys.register(main)
doctor.register(main)


for group in [*withdrawals_cli.groups(_with_gateway), reviews_group(_with_gateway)]:
    main.add_command(group)
main.add_command(signer)


if __name__ == "__main__":
    main()
