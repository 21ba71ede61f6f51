"""The table of faults, by area. Each is small, plausible, and would cost somebody money, a key or trust."""

from collections.abc import Mapping

from tests.mutation.faults import (
    access,
    bitcoin,
    coin_signer,
    coins,
    growth,
    hosts,
    lookups,
    money,
    rates,
    returns,
    signer,
    sweeps,
    timed,
    tokens,
    tron,
    tron_reading,
    wallets,
    webhooks,
)
from tests.mutation.table import Fault

FAULTS_BY_AREA: Mapping[str, tuple[Fault, ...]] = {
    "invoices": money.INVOICES,
    "deposits": money.DEPOSITS,
    "bitcoin": bitcoin.BITCOIN,
    "ledger": money.LEDGER,
    "refunds": money.REFUNDS,
    "return addresses": returns.RETURNS,
    "payouts": money.PAYOUTS,
    "reconciliation": money.RECONCILIATION,
    "keys": access.KEYS,
    "sessions": access.SESSIONS,
    "totp": access.TOTP,
    "csrf": access.CSRF,
    "idempotency": access.IDEMPOTENCY,
    "rate limits": access.RATE_LIMITS,
    "webhook signing": webhooks.SIGNING,
    "webhook targets": webhooks.TARGETS,
    "webhook schedule": webhooks.SCHEDULE,
    "webhook pausing": webhooks.PAUSING,
    "signer": signer.SIGNER,
    "approvals": signer.APPROVALS,
    "coins": coins.COINS,
    "coin signer": coin_signer.COIN_SIGNER,
    "timed attempts": timed.TIMED,
    "sweeps with energy": sweeps.TIMED_SWEEPS,
    "tokens": tokens.TOKENS,
    "reading tron": tron_reading.READING_TRON,
    "sending on tron": tron.SENDING_ON_TRON,
    "rates": rates.RATES,
    "lookups": lookups.LOOKUPS,
    "wallets": wallets.WALLETS,
    "database hosts": hosts.HOSTS,
    "growth": growth.GROWTH,
}

FAULTS: tuple[Fault, ...] = tuple(fault for faults in FAULTS_BY_AREA.values() for fault in faults)
