"""`swap-pay check-integration URL`: what a developer's own endpoint does right and wrong."""

import asyncio
import os
import ssl
import sys
import uuid
from collections.abc import Mapping
from pathlib import Path

import click
import httpx

from app.cli.forwarding import secret_or_new
from app.cli.merchant_api import checked_url, trusting
from app.core import clock
from app.core.outbound.outcome import ErrorClass, Outcome
from app.webhooks import check_words, integration_checks
from app.webhooks.integration_checks import Endpoint, Result

SYMBOLS = {"passed": "✓", "warning": "!", "failed": "✗", "untold": "?", "not_sent": "–"}
COLORS = {"passed": "green", "warning": "yellow", "failed": "red"}


@click.command("check-integration")
@click.argument("url", metavar="URL")
@click.option(
    "--secret",
    envvar="SWAP_PAY_WEBHOOK_SECRET",
    help="The secret that your server verifies with (whsec_…), from SWAP_PAY_WEBHOOK_SECRET as a rule.",
)
@click.option("--merchant-id", metavar="MCH-…", default="MCH-0000000000", help="What the events name as the merchant.")
@click.option("--allow-http", is_flag=True, help="Allow http:// to other hosts than this one.")
@click.option(
    "--ca-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Trust this authority's certificates too (PEM).",
)
def check_integration(url: str, secret: str | None, merchant_id: str, allow_http: bool, ca_file: Path | None) -> None:
    """Send test events in awkward ways to your webhook endpoint, and say what it does right and wrong.

    Twice, out of order, forged, old, large and so on: the gateway itself is not asked, and your server can be on this
    machine. Exits with 1 if a check failed. Every event is marked as a test.
    """
    checked = checked_url(url, "URL", allow_http=allow_http)
    if secret is None:
        if not sys.stdin.isatty():
            raise click.UsageError("set SWAP_PAY_WEBHOOK_SECRET to the secret that your server verifies with")
        secret = click.prompt("The secret that your server verifies with", hide_input=True)
    endpoint = Endpoint(
        url=checked,
        secrets=[secret_or_new(secret)],
        merchant_id=merchant_id,
        mode="test",
        name="WH-0000000000",
        run=uuid.uuid4(),
        started_at=clock.now(),
    )
    results = asyncio.run(_run(endpoint, trusting(ca_file)))
    click.secho(f"\n{integration_checks.summary(results)}", bold=True)
    if integration_checks.count(results, "failed"):
        sys.exit(1)


async def _run(endpoint: Endpoint, trust: ssl.SSLContext) -> list[Result]:
    results = []
    async with LocalSender(trust) as sender:
        async for result in integration_checks.run(sender, endpoint):
            results.append(result)
            _show(result)
    return results


def _show(result: Result) -> None:
    """One check: what came; and where it did not pass, what was sent, what was expected, and what to do."""
    check = check_words.CHECKS[result.check]
    click.secho(f"{SYMBOLS[result.verdict]} {check.title:<30} {result.came}", fg=COLORS.get(result.verdict))
    if result.verdict in ("warning", "failed"):
        click.echo(f"    sent: {check.sent}")
        click.echo(f"    expected: {check.expected}")
        click.echo(f"    what to do: {check.remedy_for(result.verdict)} ({_guide(check)})")


def _guide(check: check_words.Check) -> str:
    """Where to read more: in the gateway's documentation where the environment names one."""
    gateway = os.environ.get("SWAP_PAY_URL")
    if gateway:
        return f"{gateway.rstrip('/')}/docs/{check_words.GUIDE}#{check.section}"
    return f"docs/{check_words.GUIDE}.md#{check.section}"


class LocalSender:
    """Sends to a developer's server, which may be on this machine; the gateway's own client refuses those."""

    def __init__(self, trust: ssl.SSLContext) -> None:
        self._client = httpx.AsyncClient(
            timeout=integration_checks.LIMIT_S, trust_env=False, follow_redirects=False, verify=trust
        )

    async def __aenter__(self) -> "LocalSender":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    async def post(self, target_url: str, *, headers: Mapping[str, str], body: bytes) -> Outcome:
        """Send one request and return its outcome. Does not raise."""
        began_s = clock.monotonic_s()

        def ended(status: int | None, error: ErrorClass | None, detail: str) -> Outcome:
            return Outcome(status, error, detail, round((clock.monotonic_s() - began_s) * 1000))

        try:
            async with asyncio.timeout(integration_checks.LIMIT_S):
                async with self._client.stream("POST", target_url, content=body, headers=headers) as answer:
                    return ended(answer.status_code, None, "")
        except (TimeoutError, httpx.TimeoutException):
            return ended(None, ErrorClass.TIMEOUT, "")
        except httpx.ConnectError as error:
            return ended(None, ErrorClass.TLS if "SSL" in str(error) else ErrorClass.CONNECT, "")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return ended(None, ErrorClass.RESET, str(error))
