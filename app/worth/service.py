"""Post to the ledger, and keep what each credit, payout and refund is worth at that moment.

The worth is in the merchant's reporting currency, by the newest rate. Where there is none, nothing is kept: a worth is
never added later, from the rate of another time. A missing rate never stops a booking.
"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime

from app.ledger import service as ledger
from app.ledger.hashchain import ChainId
from app.ledger.service import Kind, Posting
from app.rates import service as rates
from app.worth import repository
from app.worth.repository import NewWorth

VALUED: tuple[Kind, ...] = ("invoice_credit", "payout_settled", "refund_settled")
"""Entries by which money becomes a merchant's, or leaves it for good. Of a payout it is what the merchant loses, its
fee included."""


async def post(postings: Iterable[Posting], now: datetime) -> None:
    """`ledger.post`, and the worth of what is valued. In the caller's transaction. Raises what `ledger.post` raises."""
    postings = list(postings)
    await ledger.post(postings, now)
    valued: defaultdict[ChainId, list[Posting]] = defaultdict(list)
    for posting in postings:
        if posting.kind in VALUED:
            valued[posting.chain].append(posting)
    for chain in sorted(valued):
        await _keep_worths(chain, valued[chain], now)


async def _keep_worths(chain: ChainId, postings: list[Posting], now: datetime) -> None:
    """Keep what movements of one ledger are worth."""
    reporting = await repository.reporting(chain.owner, chain.network, chain.asset)
    if reporting is None:
        return
    rate = (await rates.rates_now([chain.asset], reporting.currency, now)).get(chain.asset)
    if rate is None:
        return
    rate_id = await rates.keep(rate)

    def worth_raw(posting: Posting) -> int:
        moved_raw = abs(posting.available_delta_raw + posting.locked_delta_raw)
        return rates.to_minor_units(rates.worth_by(rate, moved_raw, reporting.decimals), reporting.currency)

    await repository.add(
        [
            NewWorth(
                merchant=chain.owner,
                kind=posting.kind,
                reference_type=posting.reference.type,
                reference_id=posting.reference.id,
                currency=reporting.currency,
                worth_raw=worth_raw(posting),
                rate=rate_id,
                booked_at=now,
            )
            for posting in postings
        ]
    )
