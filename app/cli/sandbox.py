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


_NETWORK = click.option("--network", help="The chain, such as bitcoin.")


@sandbox.command()
@click.argument("invoice_id", metavar="INV-…")
@click.option("--amount-raw", type=click.IntRange(1), help="Minor units to send; what is asked for unless given.")
@click.option("--asset", help="Symbol of the asset to send; the one asked for unless given.")
@click.option("--twice", is_flag=True, help="Send it a second time.")
@_NETWORK
def pay(invoice_id: str, amount_raw: int | None, asset: str | None, twice: bool, network: str | None) -> None:
    """Pay an invoice of the running sandbox, with the right amount and asset or with others.

    On the invoice's chain, unless another is given. On bitcoin the payment then waits in the pool for a block.
    """
    with running() as (interface, customers):
        from app.sandbox.integrator import Integrator

        pay_in = Integrator(interface).get(f"/invoices/{invoice_id}")["pay_in"]
        customer = _on(customers, network or pay_in["chain"])
        symbol, amount = asset or pay_in["asset"], amount_raw or int(pay_in["amount_raw"])
        # Both are sent before either is waited for, so that they can share a block.
        for txid in [customer.send(symbol, pay_in["address"], amount) for _ in range(2 if twice else 1)]:
            click.echo(f"{txid}: {amount} minor units of {symbol} {customer.arrival(txid)}")


@sandbox.command()
@click.argument("invoice_id", metavar="INV-…")
@click.option(
    "--pay", "amount_raw", type=click.IntRange(1), help="Satoshi to send to the invoice; nothing unless given."
)
def replace(invoice_id: str, amount_raw: int | None) -> None:
    """Replace a bitcoin payment of an invoice, while no block has it, by one that pays less, more or nothing."""
    with running() as (interface, customers):
        from app.sandbox.integrator import Integrator

        pay_in = Integrator(interface).get(f"/invoices/{invoice_id}")["pay_in"]
        if pay_in["chain"] != "bitcoin":
            raise click.ClickException(f"{invoice_id} is paid on {pay_in['chain']}; only bitcoin's can be replaced")
        old, new = _on(customers, "bitcoin").replace(pay_in["address"], amount_raw)
        click.echo(f"{new} replaces {old}, and pays {amount_raw or 0} to the invoice")


@sandbox.command()
@click.argument("blocks", type=click.IntRange(1, 100_000))
@_NETWORK
def mine(blocks: int, network: str | None) -> None:
    """Mine BLOCKS blocks at once: on ethereum, unless another chain is given."""
    with running() as (_, customers):
        click.echo(f"the chain's height is {_on(customers, network).mine(blocks)}")


@sandbox.command()
@click.argument("depth", type=click.IntRange(1, 10_000))
@_NETWORK
def reorg(depth: int, network: str | None) -> None:
    """Replace the newest DEPTH blocks by empty ones: on ethereum, unless another chain is given.

    Transactions in them are gone on ethereum, unless sent again. On bitcoin those of the last ten blocks wait in the
    pool again.
    """
    with running() as (_, customers):
        height = _on(customers, network).reorganise(depth)
        click.echo(f"{depth} blocks replaced; the chain's height is {height}")


@sandbox.command()
def code() -> None:
    """Print the code that the operator's authenticator shows now: for `swap-pay approvals approve`."""
    with running() as (interface, _):
        import pyotp

        click.echo(pyotp.TOTP(interface.operator_login.totp_secret).now())


def _run(*, stay: bool) -> None:
    with plain_errors():
        from app.sandbox.home import Home
        from app.sandbox.run import Stopped, run

        try:
            run(Home(), stay=stay)
        except Stopped as signal_name:
            click.echo(f"stopped by {signal_name} before the payment was through", err=True)
            sys.exit(130)


@contextmanager
def running() -> Iterator[tuple[Any, Any]]:
    """The running sandbox's addresses and logins, and its customer on each chain."""
    with plain_errors():
        from app.sandbox.home import Home, Interface
        from app.sandbox.run import customers

        home = Home()
        interface = home.read(home.interface_file, Interface)
        if interface is None:
            raise click.ClickException(f"there is no {home.interface_file}: start the sandbox first, with `make run`")
        yield interface, customers(home, interface)


def _on(customers: dict[str, Any], network: str | None) -> Any:
    """The customer on a chain; on the first one, ethereum unless the sandbox runs without it, where none is given."""
    if network is None:
        return next(iter(customers.values()))
    if network not in customers:
        raise click.ClickException(f"the sandbox runs without {network}; there is {', '.join(customers)}")
    return customers[network]


@contextmanager
def plain_errors() -> Iterator[None]:
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
