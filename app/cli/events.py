"""`swap-pay events …`: past events of a merchant, sent again."""

import sys
from functools import partial
from pathlib import Path

import click

from app.cli.following import Event, one_event
from app.cli.forwarding import LocalServer
from app.cli.listen import Table
from app.cli.merchant_api import api_options, local_options, opened, patiently, trusting


@click.group()
def events() -> None:
    """Your merchant's events, sent again.

    Needs SWAP_PAY_URL and SWAP_PAY_KEY.
    """


@events.command()
@click.argument("event_ids", metavar="EVENT_ID…", nargs=-1, required=True, type=click.UUID)
@click.option("--endpoint", metavar="WH-…", help="To this endpoint only; else to all that take the event.")
@click.option("--forward-to", metavar="URL", help="From here to a server on your machine, not from the gateway.")
@local_options
@api_options
def resend(
    event_ids: tuple[object, ...],
    endpoint: str | None,
    forward_to: str | None,
    allow_http: bool,
    ca_file: Path | None,
    secret: str | None,
    url: str | None,
    key: str | None,
) -> None:
    """Send events again, in this order.

    The gateway sends them to your webhook endpoints, which needs a key with webhooks.write. With --forward-to this
    command sends them to that server, each once, which needs events.read.
    """
    if endpoint is not None and forward_to is not None:
        raise click.UsageError("give one of --endpoint and --forward-to")
    api = opened(url, key, allow_http=allow_http, ca_file=ca_file)
    if forward_to is None:
        body = {} if endpoint is None else {"webhook_id": endpoint}
        for event_id in event_ids:
            answer = patiently(partial(api.post, f"/events/{event_id}/redeliver", body))
            count = answer.json()["deliveries"]
            click.echo(f"{event_id}: sent again to {count} {'endpoint' if count == 1 else 'endpoints'}")
        return
    server = LocalServer(forward_to, secret, allow_http=allow_http, trust=trusting(ca_file))
    table = Table(prints=False)
    table.say(server.greeting)
    table.head()
    found = [patiently(partial(one_event, api, str(event_id))) for event_id in event_ids]

    def deliver(event: Event) -> bool:
        return server.deliver(event, 1, lambda answer, _: table.row(event, answer))

    accepted = [deliver(event) for event in found]  # each is sent, whatever the answer to another
    if not all(accepted):
        sys.exit(1)
