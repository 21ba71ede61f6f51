"""Authentication of a request by its API key: on the path of every request, and open to attackers.

A right secret costs one SELECT, shared by requests that arrive together, and no write. The process remembers which
stored hash a secret matched before; while the row, which is read for each request, has that hash, the secret is right.
In every other case an attempt is reserved, the secret is compared, and the attempt is given back if it was right.
"""

import asyncio
import hashlib
import math
from collections import OrderedDict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple, NoReturn
from weakref import WeakValueDictionary

import msgspec

from app.api_keys import allowlist, lockout, repository, scopes, secrets
from app.api_keys.allowlist import Address
from app.api_keys.repository import AuthenticationRow
from app.api_keys.secrets import Mode, PresentedKey, Secrets, StoredHash
from app.core import metrics
from app.core.batching import PATIENCE_S, Batcher
from app.core.errors import ApiError, Code
from app.core.logging import get_logger
from app.core.settings import Peppers
from app.core.waiting import run_beside, turn
from app.merchants.members import REFUSED_STANDING
from app.merchants.roles import is_open
from app.merchants.terms import PriceTerms

log = get_logger(__name__)

MAX_REMEMBERED = 10_000
"""Right secrets that a process remembers: some 2 MB. A forgotten one costs one more evaluation."""

MAX_ROWS = 100
MAX_READS = 2
"""Rows that one SELECT reads for the requests that wait together, and SELECTs at once: two, so that one on a dead
connection doesn't delay the other requests."""

MAX_EVALUATIONS = 8
MAX_DECOYS = 4
"""Attempts that may write at once in one process, on known and on unknown key ids. Many guesses at once wait here
and not for the connection pool, where they would delay requests with right keys."""

SETTLING = timedelta(seconds=1)
SETTLING_READS = 6
SETTLING_PAUSE_S = 0.05
"""A lock this young may come from right secrets that many processes are evaluating at once, and be lifted in a moment.
It is read again, for a quarter of a second, before a request is refused by it."""

LAST_USE_EVERY = timedelta(minutes=1)
"""Last use is shown to the minute; writing it for each request would cost more than the request."""

EVALUATIONS = metrics.counter(
    "swap_pay_api_key_evaluations", "API key secrets compared with a stored hash", ["outcome"]
)


class Principal(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The client of a request: its key, what the key may do, and its merchant. Read from the database for each request.

    `scopes` holds implied ones too.
    """

    key_id: str
    merchant_id: str
    mode: Mode
    scopes: frozenset[str]
    rate_limit_per_minute: int
    merchant_name: str
    merchant_status: str
    service_fee_bps: int
    fee_payer: str
    accept_parts: bool
    prices: PriceTerms

    def may(self, scope: str) -> bool:
        """Whether the key has the scope, directly or through the write scope of the same noun."""
        return scope in self.scopes


class Authenticator:
    """Checks keys for one process. `close()` it before the database pool closes."""

    def __init__(self, peppers: Peppers) -> None:
        self._peppers = peppers
        self._found = Batcher(_find, max_batch=MAX_ROWS, max_in_flight=MAX_READS, patience_s=PATIENCE_S)
        self._remembered: OrderedDict[tuple[str, str, bytes], bytes] = OrderedDict()
        self._evaluating = asyncio.Semaphore(MAX_EVALUATIONS)
        self._evaluating_decoys = asyncio.Semaphore(MAX_DECOYS)
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._recording: dict[str, asyncio.Task[None]] = {}
        unknown = StoredHash(peppers.current, secrets.seal(peppers, secrets.new_secret()).value)
        self._unknown_secrets = Secrets(unknown, None, None)

    async def authenticate(self, presented: str, address: Address, now: datetime) -> Principal:
        """The key's principal.

        Raises INVALID_API_KEY, API_KEY_LOCKED, IP_NOT_ALLOWED, API_KEY_REVOKED, API_KEY_EXPIRED or MERCHANT_…,
        in that order: only a client with the right secret learns the state of the key. Must run outside a transaction.
        """
        key = secrets.parse(presented)
        if key is None:
            raise _invalid_key()
        row, principal = await self._admissible(key, address, now)
        if not await self._is_right(key, row, now):
            # Another attempt took the last place. If that one was right, a second look finds the lock lifted.
            row, principal = await self._admissible(key, address, now)
            if not await self._is_right(key, row, now):
                raise _locked(await lockout.locked_until(key.key_id), now)
        _refuse_ended(row, now)
        self._record_use(row, address, now)
        return principal

    async def close(self) -> None:
        """Wait until the last uses are written."""
        await asyncio.gather(*self._recording.values(), return_exceptions=True)

    async def _admissible(self, key: PresentedKey, address: Address, now: datetime) -> "_Found":
        """The key's row and principal. Raises for a key that is unknown, locked, or not allowed from this address."""
        found = await self._settled(key.key_id, now)
        if found is None:
            await self._refuse_unknown(key, now)
        row = found.row
        if row.locked_until is not None and row.locked_until > now:
            raise _locked(row.locked_until, now)
        if not allowlist.admits(tuple(row.allowlist), address):
            raise ApiError(Code.IP_NOT_ALLOWED, f"the key may not be used from {address}")
        return found

    async def _settled(self, key_id: str, now: datetime) -> "_Found | None":
        found = await self._found.ask(key_id)
        for _ in range(SETTLING_READS - 1):
            until = None if found is None else found.row.locked_until
            if until is None or until <= now + lockout.LOCK - SETTLING:
                break
            await asyncio.sleep(SETTLING_PAUSE_S)
            found = await self._found.ask(key_id)
        return found

    async def _refuse_unknown(self, key: PresentedKey, now: datetime) -> NoReturn:
        """Do the work of an attempt on a known key, one write and one comparison, then raise INVALID_API_KEY."""
        async with turn(self._evaluating_decoys):
            await lockout.reserve_decoy()
        secrets.matching(self._peppers, key.secret, self._unknown_secrets, now)
        raise _invalid_key()

    async def _is_right(self, key: PresentedKey, row: AuthenticationRow, now: datetime) -> bool:
        """True for the right secret, False if no attempt was left to find out. Raises INVALID_API_KEY."""
        if self._is_remembered(key, row, now):
            if row.failed_attempts:
                await lockout.forgive(key.key_id, row.attempt_series, now)
            return True
        # One at a time for each key: otherwise the first five requests of a burst would take all attempts, and the
        # next ones would find the key locked though every secret was right.
        one_at_a_time = self._turns.setdefault(key.key_id, asyncio.Lock())
        async with turn(one_at_a_time):
            return self._is_remembered(key, row, now) or await self._evaluate(key, row, now)

    def _is_remembered(self, key: PresentedKey, row: AuthenticationRow, now: datetime) -> bool:
        """Whether this secret is known to match a hash that the row still accepts."""
        place = _place(key)
        matched = self._remembered.get(place)
        if matched is None:
            return False
        self._remembered.move_to_end(place)
        if matched == row.secret_hash:
            return True
        until = row.previous_valid_until
        return matched == row.previous_secret_hash and until is not None and now < until

    async def _evaluate(self, key: PresentedKey, row: AuthenticationRow, now: datetime) -> bool:
        async with turn(self._evaluating):
            series = await lockout.reserve(key.key_id, now)
            if series is None:
                return False
            matched = secrets.matching(self._peppers, key.secret, _secrets_of(row), now)
            if matched is None or key.mode != row.mode:
                EVALUATIONS.labels("wrong").inc()
                raise _invalid_key()
            EVALUATIONS.labels("right").inc()
            await lockout.give_back(key.key_id, series)
            if matched.value == row.secret_hash and matched.pepper_version != self._peppers.current:
                matched = await self._reseal(key, matched)
        self._remembered[_place(key)] = matched.value
        if len(self._remembered) > MAX_REMEMBERED:
            self._remembered.popitem(last=False)
        return True

    async def _reseal(self, key: PresentedKey, old: StoredHash) -> StoredHash:
        """Move the current secret under the newest pepper, unless it was rotated meanwhile."""
        new = secrets.seal(self._peppers, key.secret)
        return new if await repository.replace_hash(key.key_id, old, new) else old

    def _record_use(self, row: AuthenticationRow, address: Address, now: datetime) -> None:
        """Write time and address of the use beside the request, at most once a minute and key."""
        last, key_id = row.last_used_at, row.id
        if (last is not None and now - last < LAST_USE_EVERY) or key_id in self._recording:
            return
        task = run_beside(_write_last_use(key_id, str(address), now))
        self._recording[key_id] = task
        task.add_done_callback(lambda _: self._recording.pop(key_id, None))


class _Found(NamedTuple):
    """A key's row, and whom it stands for once the secret was right: the same for all requests of a batch."""

    row: AuthenticationRow
    principal: Principal


async def _find(key_ids: Sequence[str]) -> list[_Found | None]:
    rows = await repository.find_for_authentication(list(dict.fromkeys(key_ids)))
    found = {row.id: _Found(row, _principal(row)) for row in rows if row is not None}
    return [found.get(key_id) for key_id in key_ids]


def _principal(row: AuthenticationRow) -> Principal:
    return Principal(
        key_id=row.id,
        merchant_id=row.merchant_id,
        mode=row.mode,
        scopes=scopes.granted(tuple(row.scopes)),
        rate_limit_per_minute=row.rate_limit_per_minute,
        merchant_name=row.merchant_name,
        merchant_status=row.merchant_status,
        service_fee_bps=row.service_fee_bps,
        fee_payer=row.fee_payer,
        accept_parts=row.accept_parts,
        prices=PriceTerms(tuple(row.currencies), row.spread_bps, row.quote_minutes),
    )


async def _write_last_use(key_id: str, address: str, now: datetime) -> None:
    try:
        await repository.record_use(key_id, address, now, every=LAST_USE_EVERY)
    except Exception:
        # The time is only displayed: an authenticated request must not fail because of it.
        log.warning("last_use_not_recorded", key_id=key_id, exc_info=True)


def _place(key: PresentedKey) -> tuple[str, str, bytes]:
    """The key under which a matched hash is remembered. The secret is hashed, so that it isn't in memory afterwards."""
    return key.mode, key.key_id, hashlib.sha256(key.secret.encode()).digest()


def _secrets_of(row: AuthenticationRow) -> Secrets:
    previous, version = row.previous_secret_hash, row.previous_pepper_version
    return Secrets(
        StoredHash(row.pepper_version, row.secret_hash),
        None if previous is None or version is None else StoredHash(version, previous),
        row.previous_valid_until,
    )


def _refuse_ended(row: AuthenticationRow, now: datetime) -> None:
    if row.revoked_at is not None:
        raise ApiError(Code.API_KEY_REVOKED, "the API key was revoked")
    if row.expires_at is not None and row.expires_at <= now:
        raise ApiError(Code.API_KEY_EXPIRED, "the API key has expired")
    if not is_open(row.merchant_status, row.mode):
        raise ApiError(*REFUSED_STANDING[row.merchant_status])


def _invalid_key() -> ApiError:
    return ApiError(Code.INVALID_API_KEY, "the API key is not valid")


def _locked(until: datetime | None, now: datetime) -> ApiError:
    """`until` is None where a success has just lifted the lock: the client may try again at once."""
    wait_s = 1 if until is None else max(1, math.ceil((until - now).total_seconds()))
    return ApiError(Code.API_KEY_LOCKED, "the API key is locked after too many wrong secrets", retry_after_s=wait_s)
