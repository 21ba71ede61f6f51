"""`swap-pay signer …`: making the keystore, and the public half of it that the networks file needs."""

import os
from pathlib import Path

import click

from app.withdrawals import keystore
from app.withdrawals.keystore import KeystoreError, SpendingKeys
from app.withdrawals.signer_settings import SignerSettingsError, load_keys


@click.group()
def signer() -> None:
    """The signer's keys. Run this where the signer runs, and nowhere else."""


@signer.command()
@click.option("--keystore", "path", type=click.Path(path_type=Path), required=True, help="The file to make.")
@click.option(
    "--password-file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Its first line; else asked."
)
@click.option("--import", "imports", is_flag=True, help="Ask for a phrase that you have, rather than make one.")
def init(path: Path, password_file: Path | None, imports: bool) -> None:
    """Make an encrypted keystore. Shows a new phrase, this once: write it down, it is the money."""
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
def show() -> None:
    """Print what belongs in the networks file, from the keys that the signer's environment names."""
    try:
        _show(load_keys(is_production=os.environ.get("SWAP_PAY_ENV", "production") == "production"))
    except SignerSettingsError as error:
        raise click.ClickException(str(error)) from None


def _show(keys: SpendingKeys) -> None:
    click.echo(f'xpub = "{keys.xpub}"')
    click.echo(f'hot_wallet_address = "{keys.hot_wallet_address}"')
