"""`swap-pay signer approvers …`: the file that says whose passkeys must have signed a payment."""

from pathlib import Path

import click

from app.core.errors import ApiError
from app.core.webauthn import AnswerRefused, RelyingParty, fingerprint, from_text
from app.networks.networks_file import ConfigError, load_networks
from app.signer import approvers as approvers_file
from app.signer.approvers import Approvers, ApproversFileError
from app.signer.journal import Journal, JournalError

FILE = click.option(
    "--file",
    "path",
    type=click.Path(dir_okay=False, path_type=Path),
    envvar="SIGNER_APPROVERS_FILE",
    required=True,
    help="The approvers file; SIGNER_APPROVERS_FILE by default.",
)
JOURNAL = click.option(
    "--journal",
    type=click.Path(dir_okay=False, path_type=Path),
    envvar="SIGNER_JOURNAL_FILE",
    required=True,
    help="The journal of what was signed; SIGNER_JOURNAL_FILE by default.",
)


@click.group()
def approvers() -> None:
    """Whose passkeys must have signed each payment. The file is on the signer's host, and nowhere else."""


@approvers.command("list")
@FILE
def list_approvers(path: Path) -> None:
    """Print who approves, with the fingerprints of their keys, the rules, and what else the signer may do."""
    found = _read(path)
    for each in found.approvers:
        click.echo(f"{each.name}\n  {each.fingerprint}")
    for rule in found.rules:
        people = "1 person" if rule.approvals == 1 else f"{rule.approvals} people"
        click.echo(f"more than {rule.above} of {rule.asset} on {rule.network}: {people}")
    for policy in found.policies:
        merges = "consolidations" if policy.consolidate else "no consolidations"
        coin = f"dear sweeps up to {policy.dear_sweep_up_to}, stake up to {policy.stake_up_to} of the coin"
        click.echo(f"on {policy.network}: {merges}, {coin}")


@approvers.command()
@FILE
@JOURNAL
@click.option("--public-url", required=True, help="Where the operators sign in, such as https://pay.example.com.")
@click.option("--name", required=True, help="Who approves. Several passkeys of one person have the same name.")
@click.option("--credential", required=True, help="The passkey’s id, as its owner’s page shows it.")
@click.option("--key", required=True, help="Its public key, as its owner’s page shows it.")
@click.option("--fingerprint", "read_out", help="What its owner has read out. Prompted for if left out.")
def add(path: Path, journal: Path, public_url: str, name: str, credential: str, key: str, read_out: str | None) -> None:
    """Add somebody's passkey to the file, after comparing its fingerprint.

    Id and key may reach you by any way. The fingerprint must not: have its owner read it out to you, in person or by a
    voice that you know, from the page "Passkeys" in their browser. A first passkey makes the file, with a rule that one
    person must sign every payment, and an empty journal.
    """
    try:
        known = fingerprint(from_text(key))
        from_text(credential)
    except AnswerRefused:
        raise click.ClickException("the id or the key is not whole: copy both again") from None
    if read_out is None:
        read_out = click.prompt("Fingerprint, as its owner reads it out")
    if "".join(read_out.lower().split()) != known.replace(" ", ""):
        raise click.ClickException("the fingerprint is another one: somebody may have changed the key on its way")
    if not name.strip() or not name.isprintable() or '"' in name or "\\" in name:
        raise click.ClickException("the name must be printable, without quotes and backslashes")
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    if before and _read(path).party.origin != RelyingParty.of(public_url).origin:
        raise click.ClickException(f"the file is of {_read(path).party.origin}")
    added = f'\n[[approvers]]\nname = "{name.strip()}"\ncredential_id = "{credential}"\npublic_key = "{key}"\n'
    if not before:
        before = f'public_url = "{public_url}"\n\n[[rules]]\napprovals = 1\n'
    _write_sound(path, before + added)
    if not journal.exists():
        journal.touch(mode=0o600)
    click.echo(f"{name.strip()} is added. Restart the signer, which reads the file when it starts.")


@approvers.command()
@FILE
@JOURNAL
@click.option(
    "--networks-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Check that every asset of this file has a rule.",
)
def check(path: Path, journal: Path, networks_file: Path | None) -> None:
    """Check that the signer could start with these files. Exits with 1 if not."""
    found = _read(path)
    try:
        Journal(journal)
        networks = {} if networks_file is None else load_networks(networks_file)
    except (JournalError, ConfigError) as error:
        raise click.ClickException(str(error)) from None
    missing = [
        f"{asset.symbol} on {network.key}"
        for network in networks.values()
        for asset in network.assets
        if not found.has_rule(network.key, asset.symbol)
    ]
    unknown = [each.network for each in found.policies if networks and each.network not in networks]
    if unknown:
        raise click.ClickException(f"a policy is about {unknown[0]}, which the networks file does not have")
    if missing:
        raise click.ClickException(f"no rule is about small amounts of {', '.join(missing)}: they would never be paid")
    click.echo(f"{len({each.name for each in found.approvers})} people, {len(found.rules)} rules: sound")


def _read(path: Path) -> Approvers:
    try:
        return approvers_file.read(path)
    except ApproversFileError as error:
        raise click.ClickException(f"{path} {error}") from None


def _write_sound(path: Path, text: str) -> None:
    """Write the file if the signer could use it: the old one stays where it could not."""
    beside = path.with_name(path.name + ".new")
    beside.touch(mode=0o600)
    beside.write_text(text, encoding="utf-8")
    try:
        approvers_file.read(beside)
    except (ApproversFileError, ApiError) as error:
        beside.unlink()
        raise click.ClickException(f"the file {error}") from None
    beside.replace(path)
