"""Commands about the ledgers: verify, export, sign, reconcile."""

import base64
import binascii
import json
import sys
import zipfile
from pathlib import Path
from typing import Any

import click

from app.cli.environment import settings
from app.cli.running import with_services
from app.core import clock
from app.ledger import checkpoint_format, checkpoints, evidence, offline, repository, verify
from app.ledger import checkpoints_repository as signed
from app.ledger.hashchain import ChainId
from app.reconciliation import repository as runs
from app.reconciliation.service import RunInProgress
from app.reconciliation.snapshot import snapshot
from app.statements import evidence as evidence_packs
from app.statements import service as statements
from app.statements.months import parse_month
from app.wiring import Services

READABLE_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command("verify-ledger")
@click.option(
    "--export", "export_path", type=READABLE_FILE, help="A ledger's export, or a month's evidence, not the database."
)
@click.option("--checkpoint", "proof_path", type=READABLE_FILE, help="With --export: what GET /ledger/proof gave.")
@click.option("--keys", "keys_path", type=READABLE_FILE, help="/.well-known/swap-pay/checkpoint-keys, saved earlier.")
def verify_ledger(export_path: Path | None, proof_path: Path | None, keys_path: Path | None) -> None:
    """Re-compute every hash chain of the database, or of an export, and compare it with the signed checkpoints.

    Exits with 1 if one is broken.
    """
    if proof_path is not None and export_path is None:
        raise click.UsageError("--checkpoint needs --export")
    if export_path is not None and zipfile.is_zipfile(export_path):
        _verify_evidence(export_path, keys_path)
        return
    if export_path is not None:
        verifications = [_verify_export(export_path, proof_path, keys_path)]
    else:
        verifications = with_services(_verify_database)
    for verification in verifications:
        click.echo(_verdict(verification))
    if any(verification.fault for verification in verifications):
        sys.exit(1)


@click.command("export-ledger")
@click.option("--owner", required=True, help="MCH-…, or platform:fees, platform:treasury, platform:suspense.")
@click.option("--network", required=True, help="Such as ethereum:live.")
@click.option("--asset", required=True)
def export_ledger(owner: str, network: str, asset: str) -> None:
    """Write one ledger to standard output, in a format that anybody can verify (docs/ledger.md)."""

    async def write(_: Services) -> None:
        head = await repository.head(ChainId(owner=owner, network=network, asset=asset))
        if head is None:
            raise click.ClickException("nothing was ever booked there")
        async for line in verify.export(head):
            click.echo(line)

    with_services(write)


@click.command("export-evidence")
@click.option("--merchant", "merchant_id", required=True, help="MCH-…")
@click.option("--mode", type=click.Choice(["live", "test"]), default="live", show_default=True)
@click.option("--month", "month_text", required=True, help="YYYY-MM, in UTC; a checkpoint has closed it.")
@click.option("--output", "output_path", type=click.Path(dir_okay=False, path_type=Path), help="The archive to write.")
def export_evidence(merchant_id: str, mode: str, month_text: str, output_path: Path | None) -> None:
    """Write the signed evidence of a merchant's month: entries, checkpoints, proofs, transactions (docs/ledger.md)."""
    month = parse_month(month_text)
    if month is None:
        raise click.UsageError("--month is a year and a month: 2026-11")

    async def write(services: Services) -> Path:
        keys = services.settings.checkpoint_keys
        if keys is None:
            raise click.ClickException("CHECKPOINT_KEY is not set")
        statement = await statements.of_month(merchant_id, mode, month, clock.now(), summed=False)
        if statement is None:
            raise click.ClickException(f"{merchant_id} has no statement of {month}")
        path = output_path or Path(evidence_packs.file_name(statement))
        try:
            with path.open("xb") as file:
                async for part in evidence_packs.parts(statement, keys, clock.now()):
                    file.write(part.body)
        except evidence_packs.NotFinal as error:
            path.unlink()
            raise click.ClickException(str(error)) from None
        except FileExistsError:
            raise click.ClickException(f"{path} is there already") from None
        return path

    click.echo(with_services(write))


@click.command()
def checkpoint() -> None:
    """Sign the current heads of all ledgers, in addition to the hourly checkpoints."""

    async def sign(services: Services) -> checkpoint_format.Checkpoint:
        keys = services.settings.checkpoint_keys
        if keys is None:
            raise click.ClickException("CHECKPOINT_KEY is not set")
        return await checkpoints.create(keys, clock.now())

    signed = with_services(sign)
    click.echo(f"checkpoint {signed.number}: {signed.ledgers} ledgers, root {signed.root}")


@click.command()
@click.option("--full", is_flag=True, help="Re-compute everything, not only what is new since the last run.")
def reconcile(full: bool) -> None:
    """Compare the books with themselves and with the chains. Exits with 1 on drift, 2 if a part can't be reached."""

    async def run(services: Services) -> tuple[runs.Run, list[runs.RecordedFinding]]:
        try:
            run_id = await services.reconciliation.run(clock.now(), full=full)
        except RunInProgress as error:
            raise click.ClickException(str(error)) from None
        done = await runs.run(run_id)
        assert done is not None
        return done, await runs.findings(run_id)

    done, findings = with_services(run)
    for network, block in sorted(done.blocks.items()):
        click.echo(f"{network}: at block {block['height']} {block['hash']}")
    for check, figures in done.figures.items():
        click.echo(f"{check}: {', '.join(f'{name} {figure}' for name, figure in figures.items()) or 'not checked'}")
    for finding in findings:
        mark = "DRIFT    " if finding.is_drift else "UNCHECKED"
        click.echo(f"{mark} {finding.check}: {finding.subject}: {finding.message} {json.dumps(finding.figures)}")
    click.echo(f"run {done.id}: {done.status}")
    if done.status != "clean":
        sys.exit(1 if done.status == "drift" else 2)


async def _verify_database(_: Services) -> list[verify.Verification]:
    async with snapshot():
        return [
            await verify.verify_anchored(head, await signed.anchors(head.ledger, last_only=False), full=True)
            for head in await repository.heads()
        ]


def _verify_export(export_path: Path, proof_path: Path | None, keys_path: Path | None) -> verify.Verification:
    proof = None if proof_path is None else json.loads(proof_path.read_text(encoding="utf-8"))
    with export_path.open(encoding="utf-8") as lines:
        try:
            if proof is None:
                return verify.verify_export(lines)
            return offline.verify_export_with_proof(lines, proof, _trusted_keys(keys_path))
        except verify.UnreadableExport as error:
            raise click.ClickException(f"{export_path}: {error}") from None
        except offline.BadProof as error:
            raise click.ClickException(f"{proof_path}: {error}") from None


def _verify_evidence(path: Path, keys_path: Path | None) -> None:
    """Print what an archive proves. Exits with 1 if anything of it was changed."""
    try:
        with path.open("rb") as file:
            found = evidence.verify_evidence(file, _trusted_keys(keys_path))
    except evidence.BadEvidence as error:
        click.echo(f"BROKEN  {error}")
        sys.exit(1)
    click.echo(f"ok      {found.merchant_id} {found.mode} {found.month}, signed {found.created_at} by {found.key_id}")
    for one in found.ledgers:
        first, last = one.opening.seq + 1, one.closing.seq
        span = f"entries {first} to {last}" if last >= first else "no entries"
        name = f"{one.chain.asset} {one.chain.network}"
        click.echo(f"ok      {name}: {span}, {one.transactions} transfers, closing {one.closing.hash}")
    click.echo(f"        as signed in checkpoint {found.checkpoint}, whose hash is {found.checkpoint_hash}")


def _trusted_keys(keys_path: Path | None) -> dict[str, bytes]:
    """Public keys by id: from the file, or those of the seeds in the settings and of the database."""
    if keys_path is not None:
        try:
            document: dict[str, Any] = json.loads(keys_path.read_text(encoding="utf-8"))
            return {key["id"]: base64.b64decode(key["public_key"], validate=True) for key in document["keys"]}
        except (ValueError, KeyError, TypeError, binascii.Error):
            raise click.ClickException(f"{keys_path}: not a list of checkpoint keys") from None
    configured = settings().checkpoint_keys
    if configured is None:
        raise click.ClickException("give --keys: CHECKPOINT_KEY is not set here")
    return checkpoint_format.seeds_public_keys(configured)


def _verdict(verification: verify.Verification) -> str:
    chain, fault = verification.chain, verification.fault
    name = f"{chain.owner} {chain.asset} {chain.network}"
    if fault is None:
        return f"ok      {name}: {verification.seq} entries, head {verification.head_hash}"
    return f"BROKEN  {name}: seq {fault.seq}: {fault.problem}"
