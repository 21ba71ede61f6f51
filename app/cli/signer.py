"""`swap-pay signer …`: the keystore, its public keys, and transactions that the ledgers don't have."""

import os
from pathlib import Path

import click
from embit.descriptor.checksum import add_checksum

from app.audit import service as audit
from app.cli.operator_actions import as_operator, operator_options, with_identified_operator
from app.cli.signer_approvers import approvers
from app.core import clock, database
from app.networks.bitcoin.account import Account
from app.networks.bitcoin.account_key import ACCOUNT_PATHS, FUNCTIONS
from app.networks.bitcoin.coins import INTERNAL_BRANCH
from app.networks.bitcoin.config import HOT_WALLET_INDEX
from app.networks.bitcoin.parameters import BitcoinNetwork
from app.networks.config import NetworkConfig
from app.networks.networks_file import ConfigError, load_networks
from app.networks.port import NetworkError
from app.networks.registry import UnknownNetwork
from app.networks.tron.addresses import ACCOUNT_PATH as TRON_ACCOUNT
from app.signer import account_nonces_repository, account_spending, keystore
from app.signer.environment import SignerSettingsError
from app.signer.keystore import DEPOSIT_ACCOUNT, KeystoreError, SpendingKeys
from app.signer.settings import load_keys
from app.wiring import Services


@click.group()
def signer() -> None:
    """The signer's keys. Run this where the signer runs, and nowhere else."""


signer.add_command(approvers)


@signer.command()
@click.option("--keystore", "path", type=click.Path(path_type=Path), required=True, help="The file to create.")
@click.option(
    "--password-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Its first line is the password. Prompted for if left out.",
)
@click.option("--import", "imports", is_flag=True, help="Ask for a phrase that you have, instead of making one.")
def init(path: Path, password_file: Path | None, imports: bool) -> None:
    """Create an encrypted keystore. Shows a new phrase once: write it down. Anybody who has it can spend the money."""
    if password_file is not None:
        password = password_file.read_text(encoding="utf-8").partition("\n")[0].rstrip("\r")
    else:
        password = click.prompt("Password of the keystore", hide_input=True, confirmation_prompt=True)
    mnemonic = click.prompt("Phrase", hide_input=True) if imports else keystore.new_mnemonic()
    try:
        keystore.write(path, mnemonic, password)
        keys = keystore.read(path, password)
    except FileExistsError:
        raise click.ClickException(f"{path} is there already, and is not overwritten") from None
    except (KeystoreError, OSError) as error:
        raise click.ClickException(str(error)) from None
    if not imports:
        click.echo(f"Phrase, shown this once:\n\n  {mnemonic}\n")
    _show(keys)


@signer.command()
@click.option("--account", type=click.IntRange(0, 2**31 - 1), default=0, help="Of Bitcoin: the k of m/84'/0'/k'.")
@click.option(
    "--networks-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Check that each network of this file has the account of these keys.",
)
def show(account: int, networks_file: Path | None) -> None:
    """Print what belongs in the networks file, from the keys that the signer's environment names.

    With --networks-file it exits with 1 if a network's xpub is not that of these keys: nothing that is paid to such a
    network's addresses could ever be spent with them.
    """
    try:
        keys = load_keys(is_production=os.environ.get("SWAP_PAY_ENV", "production") == "production")
        networks = {} if networks_file is None else load_networks(networks_file)
    except (SignerSettingsError, ConfigError) as error:
        raise click.ClickException(str(error)) from None
    _show(keys, account)
    strangers = [network.key for network in networks.values() if not _has_account(network, keys)]
    for network in networks.values():
        verdict = "is NOT that of these keys" if network.key in strangers else "is that of these keys"
        click.echo(f"network {network.key}: xpub {verdict}, {network.account_path}")
    if strangers:
        raise click.ClickException(f"not of these keys: {', '.join(strangers)}")


@signer.command("adopt-nonce")
@click.option("--network", "key", required=True, help="Such as ethereum:live.")
@click.option("--nonce", type=click.IntRange(min=1), required=True, help="How many transactions the chain has.")
@click.option("--reason", required=True, help="How each transaction was accounted for; for the audit log.")
@operator_options
def adopt_nonce(key: str, nonce: int, reason: str, email: str, password: str, code: str) -> None:
    """Continue after transactions of the hot wallet that the ledgers don't have.

    The signer stops at them: after a restored backup they may be payouts that count as unpaid, and
    would be sent again. Look each up on an explorer, and attach those that paid something (adopt-transaction) first.
    """

    async def adopt(services: Services, operator_id: str) -> None:
        try:
            address = services.networks.get(key).hot_wallet_address
        except UnknownNetwork:
            raise click.ClickException(f"there is no network {key}") from None
        if address is None:
            raise click.ClickException(f"network {key} has no hot wallet")
        async with database.transaction():
            if not await account_nonces_repository.adopt_nonce(key, address, nonce):
                raise click.ClickException(f"the books are at nonce {nonce} already, or further")
            await audit.record(
                actor=f"account:{operator_id}",
                action="hot_wallet.nonce_adopted",
                subject=key,
                merchant_id=None,
                address=None,
                details={"hot_wallet": address, "nonce": nonce, "reason": reason},
                now=clock.now(),
            )

    as_operator(email, password, code, adopt)
    click.echo(f"{key}: the hot wallet continues at nonce {nonce}")


@signer.command("account-for")
@click.option("--network", "key", required=True, help="Such as tron:live.")
@click.option("--txid", required=True, help="The transaction of the hot wallet.")
@click.option("--reason", required=True, help="What it was and how that was found out; for the audit log.")
@operator_options
def account_for(key: str, txid: str, reason: str, email: str, password: str, code: str) -> None:
    """Continue after a transaction of ours that the ledgers don't have and that paid nobody: on Tron, and on Bitcoin.

    The signer stops at it: after a restored backup it may be a payout that counts as unpaid, and would be sent again.
    Look it up on an explorer, and attach it (adopt-transaction) instead if it paid something. On Bitcoin that is
    proved: only a transaction that pays our own change, as a consolidation does, is taken.
    """

    async def account(services: Services, operator_id: str) -> None:
        await account_spending.account_for(services.networks, key, txid.strip().lower(), operator_id, reason)

    try:
        as_operator(email, password, code, account)
    except (account_spending.NothingToAccountFor, NetworkError) as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"{key}: {txid} is accounted for")


@signer.command("adopt-transaction")
@click.argument("withdrawal_id")
@click.option("--txid", required=True, help="The transaction that paid it.")
@click.option("--reason", required=True, help="How it was found, for the audit log.")
@operator_options
def adopt_transaction(withdrawal_id: str, txid: str, reason: str, email: str, password: str, code: str) -> None:
    """Attach a transaction of the hot wallet, which the ledgers don't have, to the payout or refund that it paid.

    It must be final, and have sent exactly the requested amount to the requested address. It counts as your approval;
    a withdrawal that needs two must have another operator's first. The withdrawal is confirmed, and not sent again.
    """

    async def adopt(services: Services, operator_id: str) -> None:
        await services.adoption.adopt(withdrawal_id, txid, operator_id, code, reason, clock.now())

    with_identified_operator(email, password, adopt)
    click.echo(f"{withdrawal_id}: confirmed")


def _show(keys: SpendingKeys, account: int = 0) -> None:
    click.echo(f"# EVM networks, {DEPOSIT_ACCOUNT}")
    click.echo(f'xpub = "{keys.xpub}"')
    click.echo(f'hot_wallet_address = "{keys.hot_wallet_address}"')
    click.echo(f"\n# Tron, {TRON_ACCOUNT}")
    click.echo(f'xpub = "{keys.account(TRON_ACCOUNT).xpub}"')
    click.echo(f'hot_wallet_address = "{keys.tron_hot_wallet_address}"')
    networks: dict[int, tuple[BitcoinNetwork, ...]] = {0: ("main",), 1: ("testnet", "regtest")}
    for name, coin in (("main", 0), ("the test networks", 1)):
        for address_type, function in FUNCTIONS.items():
            path = ACCOUNT_PATHS[address_type].format(coin=coin).replace("k", str(account))
            key = keys.account(path)
            click.echo(f'\n# Bitcoin, {name}, with address_type = "{address_type}", {path}')
            click.echo(f'xpub = "{key.xpub}"')
            for network in networks[coin]:
                address = Account(key.xpub, network, address_type).address(INTERNAL_BRANCH, HOT_WALLET_INDEX)
                remark = "  # in regtest alone" if network == "regtest" else ""
                click.echo(f'hot_wallet_address = "{address}"{remark}')
            click.echo(f"# {add_checksum(f'{function}({key.origin}{key.xpub}/<0;1>/*)')}")


def _has_account(network: NetworkConfig, keys: SpendingKeys) -> bool:
    return network.is_account(keys.account(network.account_path).xpub)
