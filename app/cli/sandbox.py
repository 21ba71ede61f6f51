"""`swap-pay sandbox …`. Its parts need development packages, so they are imported only when they are called."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click


@click.group()
def sandbox() -> None:
    """Try the gateway on this machine: everything it needs, and a customer. Never for production."""


@sandbox.command()
def run() -> None:
    """Start the sandbox, receive a payment, run until Ctrl-C."""
    _run(stay=True)


@sandbox.command()
def demo() -> None:
    """Start the sandbox, receive a payment, stop. Exits with 0, or with the reason."""
    _run(stay=False)


@sandbox.command()
@click.argument("invoice_id", metavar="INV-…")
@click.option("--amount-raw", type=click.IntRange(1), help="Minor units to send; what is asked for unless given.")
@click.option("--asset", help="Symbol of the asset to send; the one asked for unless given.")
@click.option("--twice", is_flag=True, help="Send it a second time.")
def pay(invoice_id: str, amount_raw: int | None, asset: str | None, twice: bool) -> None:
    """Pay an invoice of the running sandbox, with the right amount and asset or with others."""
    with _running() as (interface, customer):
        from app.sandbox.integrator import Integrator

        pay_in = Integrator(interface).get(f"/invoices/{invoice_id}")["pay_in"]
        symbol, amount = asset or pay_in["asset"], amount_raw or int(pay_in["amount_raw"])
        # Both are sent before either is waited for, so that they can share a block.
        for txid in [customer.send(symbol, pay_in["address"], amount) for _ in range(2 if twice else 1)]:
            mined = customer.wait_until_mined(txid)
            click.echo(f"{mined.txid}: {amount} minor units of {symbol} in block {mined.block_height}")


@sandbox.command()
@click.argument("blocks", type=click.IntRange(1, 100_000))
def mine(blocks: int) -> None:
    """Mine BLOCKS empty blocks at once."""
    with _running() as (_, customer):
        customer.rpc("anvil_mine", hex(blocks))
        click.echo(f"the chain's height is {int(customer.rpc('eth_blockNumber'), 16)}")


@sandbox.command()
@click.argument("depth", type=click.IntRange(1, 10_000))
def reorg(depth: int) -> None:
    """Replace the newest DEPTH blocks by empty ones. Transactions in them are gone, unless sent again."""
    with _running() as (_, customer):
        customer.rpc("anvil_reorg", depth, [])
        click.echo(f"{depth} blocks replaced; the chain's height is {int(customer.rpc('eth_blockNumber'), 16)}")


@sandbox.command()
def code() -> None:
    """Print the code that the operator's authenticator shows now: for `swap-pay approvals approve`."""
    with _running() as (interface, _):
        import pyotp

        click.echo(pyotp.TOTP(interface.operator_login.totp_secret).now())


def _run(*, stay: bool) -> None:
    with _plain_errors():
        from app.sandbox.home import Home
        from app.sandbox.run import Stopped, run

        try:
            run(Home(), stay=stay)
        except Stopped as signal_name:
            click.echo(f"stopped by {signal_name} before the payment was through", err=True)
            sys.exit(130)


@contextmanager
def _running() -> Iterator[tuple[Any, Any]]:
    """The running sandbox's addresses and logins, and its customer."""
    with _plain_errors():
        from app.sandbox.home import Home, Interface
        from app.sandbox.run import customer

        home = Home()
        interface = home.read(home.interface_file, Interface)
        if interface is None:
            raise click.ClickException(f"there is no {home.interface_file}: start the sandbox first, with `make run`")
        yield interface, customer(home, interface)


@contextmanager
def _plain_errors() -> Iterator[None]:
    """Turn errors that people can fix into one line instead of a traceback."""
    try:
        from app.sandbox.customer import CustomerError
        from app.sandbox.integrator import IntegratorError
        from app.sandbox.processes import ProcessError

        try:
            yield
        except (CustomerError, IntegratorError, ProcessError) as error:
            raise click.ClickException(str(error)) from None
    except ModuleNotFoundError as error:
        raise click.ClickException(
            f"the sandbox needs the development packages ({error.name} is missing): "
            "pip install --require-hashes -r requirements-dev.lock"
        ) from None
