"""API keys: the public id finds the row, the secret is kept as a peppered hash alone."""

from piccolo.columns import Integer
from piccolo.constraints import Check
from piccolo.table import Table

from app.core import columns
from app.merchants.tables import Merchant


class ApiKey(Table, tablename="api_keys"):
    """One key of a merchant in one mode. After a rotation the previous secret holds until its grace ends.

    `attempt_series` grows whenever the count of failures starts anew, so that an attempt which is given back
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


class KeyDecoy(Table, tablename="api_key_decoys"):
    """Rows that an attempt on an unknown key id writes to, so that it costs what one on a known id costs."""

    id = Integer(primary_key=True, default=None)
    attempts = columns.big_number()
