"""What the signer saw in the hot wallet, kept for people: the web process asks no node about it."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from app.core import database

KEEP_EVERY = timedelta(seconds=15)
"""A look that tells nothing new is written down this often, so that its age says whether the signer lives."""


async def note(
    network: str,
    held_raw: Mapping[str, int],
    free_raw: Mapping[str, int],
    gas_left_raw: Mapping[str, int],
    now: datetime,
) -> None:
    """Write a look down, by asset; `gas_left_raw` has the native coin alone. One statement a round."""
    symbols = sorted(held_raw)
    await database.execute(
        """
        INSERT INTO hot_wallet_looks (network, asset, held_raw, free_raw, gas_left_raw, looked_at)
        SELECT $1, look.asset, look.held, look.free, look.gas_left, $6
        FROM unnest($2::text[], $3::numeric[], $4::numeric[], $5::numeric[]) AS look (asset, held, free, gas_left)
        ON CONFLICT (network, asset) DO UPDATE SET held_raw = excluded.held_raw, free_raw = excluded.free_raw,
            gas_left_raw = excluded.gas_left_raw, looked_at = excluded.looked_at
        WHERE (hot_wallet_looks.held_raw, hot_wallet_looks.free_raw, hot_wallet_looks.gas_left_raw)
                IS DISTINCT FROM (excluded.held_raw, excluded.free_raw, excluded.gas_left_raw)
            OR hot_wallet_looks.looked_at <= $7
        """,
        network,
        symbols,
        [held_raw[symbol] for symbol in symbols],
        [free_raw[symbol] for symbol in symbols],
        [gas_left_raw.get(symbol) for symbol in symbols],
        now,
        now - KEEP_EVERY,
    )
