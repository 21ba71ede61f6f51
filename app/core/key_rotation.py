"""Moving secrets at rest to the current data key, so that an old one can be taken out of the settings."""

from collections.abc import Callable

import msgspec

from app.core import database
from app.core.crypto import decrypt, encrypt, needs_reencryption
from app.core.settings import DataKeys

ROWS_AT_ONCE = 500


class SealedColumn(msgspec.Struct, frozen=True):
    """A column of ciphertexts. `purpose` says what a row's secret was sealed for (core/crypto.py), given the value of
    its column `bound_to`."""

    table: str
    column: str
    purpose: Callable[[str], str]
    bound_to: str = "id"


Progress = Callable[[str, int, int], None]
"""Is told the table, how many of its values were looked at, and of how many."""


def quietly(table: str, done: int, total: int) -> None:
    """Tell nobody."""


async def reseal(keys: DataKeys, sealed: SealedColumn, tell: Progress = quietly) -> int:
    """Encrypt again every value that an older key sealed. Returns how many. Safe to run beside the gateway, and twice;
    one that is interrupted has done what it told.

    A row that changes in between is left as it is: the new value was sealed with the current key. Raises
    crypto.Undecryptable where no configured key opens a row. Not in a transaction: each page commits.
    """
    resealed, seen, after = 0, 0, None
    total = await database.fetch_value(f"SELECT count(*) FROM {sealed.table} WHERE {sealed.column} IS NOT NULL")
    while True:
        rows = await database.fetch_all(
            f"SELECT id, {sealed.bound_to} AS bound_to, {sealed.column} AS ciphertext FROM {sealed.table}"
            f" WHERE (id > $1 OR $1 IS NULL) AND {sealed.column} IS NOT NULL ORDER BY id LIMIT $2",
            after,
            ROWS_AT_ONCE,
        )
        for row in rows:
            if not needs_reencryption(keys, row["ciphertext"]):
                continue
            purpose = sealed.purpose(row["bound_to"])
            plaintext = decrypt(keys, row["ciphertext"], purpose=purpose)
            resealed += await database.execute(
                f"UPDATE {sealed.table} SET {sealed.column} = $3 WHERE id = $1 AND {sealed.column} = $2",
                row["id"],
                row["ciphertext"],
                encrypt(keys, plaintext, purpose=purpose),
            )
        seen += len(rows)
        tell(sealed.table, seen, max(seen, total))
        if len(rows) < ROWS_AT_ONCE:
            return resealed
        after = rows[-1]["id"]
