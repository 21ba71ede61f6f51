"""API keys: the public id finds the row, of the secret only a peppered hash is stored."""

from piccolo.columns import BigSerial, Integer
from piccolo.constraints import Check, Unique
from piccolo.table import Table

from app.accounts.tables import Account
from app.core import columns
from app.merchants.tables import Merchant


class ApiKey(Table, tablename="api_keys"):
    """One key of a merchant in one mode. After a rotation the previous secret holds until its grace ends.

    `attempt_series` grows each time the count of failures is reset, so that an attempt which is given back
    late can't undo the lock of another series (api_keys/lockout.py).
    """

    id = columns.words(20, primary_key=True)
    merchant = columns.reference(Merchant)
    mode = columns.words(4)
    name = columns.words(100)
    scopes = columns.word_list(20)
    allowlist = columns.word_list(43)
    rate_limit_per_minute = columns.number()
    secret_hash = columns.digest()
    pepper_version = columns.number()
    previous_secret_hash = columns.digest(null=True)
    previous_pepper_version = columns.number(null=True)
    previous_valid_until = columns.moment(null=True)
    expires_at = columns.moment(null=True)
    revoked_at = columns.moment(null=True)
    failed_attempts = columns.number()
    attempt_series = Integer(default=0)
    locked_until = columns.moment(null=True)
    last_used_at = columns.moment(null=True)
    last_used_address = columns.words(45, null=True)
    created_at = columns.moment()

    mode_known = columns.one_of("mode", "live", "test")
    rate_positive = Check("rate_limit_per_minute > 0")
    attempts_counted = Check("failed_attempts >= 0")


class KeyHolder(Table, tablename="api_key_holders"):
    """A person to whom a secret of the key was shown: who made or rotated it. Rows are only ever added.

    What the key requests counts as requested by each of its holders (withdrawals/conflicts.py).
    """

    id = BigSerial(primary_key=True)
    api_key = columns.reference(ApiKey)
    account = columns.reference(Account)
    since = columns.moment()

    api_key_holders_once = Unique(["api_key", "account"])


class KeyDecoy(Table, tablename="api_key_decoys"):
    """Rows that an attempt on an unknown key id writes to, so that it takes as long as one on a known id."""

    id = Integer(primary_key=True, default=None)
    attempts = columns.big_number()


class DeprecatedCall(Table, tablename="deprecated_calls"):
    """What of the API a merchant called though it will end, and when its people were told last."""

    id = BigSerial(primary_key=True)
    merchant = columns.reference(Merchant)
    name = columns.words(100)
    told_at = columns.moment()

    deprecated_calls_once = Unique(["merchant", "name"])
