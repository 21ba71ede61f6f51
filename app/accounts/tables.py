"""People who sign in."""

from piccolo.columns import BigSerial, Varchar
from piccolo.table import Table

from app.core import columns


class Account(Table, tablename="accounts"):
    """A person. The e-mail is kept in lower case; the TOTP secret is sealed with a data key."""

    id = columns.public_id()
    email = Varchar(length=254, default=None, unique=True)
    name = columns.words(100)
    password_hash = columns.text()
    is_operator = columns.flag()
    totp_secret_sealed = columns.text(null=True)
    totp_last_counter = columns.big_number()
    created_at = columns.moment()


class TotpAttempt(Table, tablename="totp_attempts"):
    """A code that was tried and was not right, or is being looked at just now (accounts/totp.py)."""

    id = BigSerial(primary_key=True)
    account = columns.reference(Account)
    at = columns.moment()
