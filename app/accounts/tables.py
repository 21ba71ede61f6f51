"""People who sign in."""

from piccolo.columns import BigSerial, ForeignKey, Integer, OnDelete, OnUpdate, Varchar
from piccolo.constraints import Check, Unique
from piccolo.table import Table

from app.core import columns


class Account(Table, tablename="accounts"):
    """A person. The email address is in lower case; the TOTP secret is encrypted with a data key.

    `credentials_version` counts changes of credentials: sessions and links of an earlier version have ended
    (accounts/credentials.py). `time_zone` is a name of the tz database; null until the person has one.
    `passkey_offer_answered_at` is when the person answered the offer of a passkey, which is then not made again.
    """

    id = columns.public_id()
    email = Varchar(length=254, default=None, unique=True)
    name = columns.words(100)
    password_hash = columns.text()
    is_operator = columns.flag()
    totp_secret_sealed = columns.text(null=True)
    totp_last_counter = columns.big_number()
    created_at = columns.moment()
    credentials_version = Integer(default=0)
    time_zone = columns.words(64, null=True)
    passkey_offer_answered_at = columns.moment(null=True)


class EmailChoices(Table, tablename="email_choices"):
    """The topics about which a person wants no emails (accounts/email_choices.py). No row: all emails."""

    account = ForeignKey(
        references=Account,
        primary_key=True,
        default=None,
        null=False,
        on_delete=OnDelete.restrict,
        on_update=OnUpdate.restrict,
    )
    unwanted = columns.word_list(20)
    changed_at = columns.moment()


class TotpAttempt(Table, tablename="totp_attempts"):
    """An attempt at a code that was wrong, or is being checked now (accounts/totp.py)."""

    id = BigSerial(primary_key=True)
    account = columns.reference(Account)
    at = columns.moment()


class Session(Table, tablename="sessions"):
    """One browser in which an account is signed in. `token_hash` is the SHA-256 of its token (accounts/sessions.py)."""

    id = columns.public_id()
    token_hash = columns.digest()
    account = columns.reference(Account)
    code_given_at = columns.moment(null=True)
    address = columns.words(45)
    user_agent = columns.words(200)
    created_at = columns.moment()
    last_seen_at = columns.moment()
    expires_at = columns.moment()
    credentials_version = Integer(default=0)

    sessions_token_once = Unique(["token_hash"])


class HalfSignIn(Table, tablename="half_sign_ins"):
    """A sign-in whose password was right and whose code is missing (accounts/sign_in.py)."""

    token_hash = columns.digest(primary_key=True)
    account = columns.reference(Account)
    created_at = columns.moment()
    expires_at = columns.moment()
    credentials_version = Integer(default=0)


class KnownBrowser(Table, tablename="known_browsers"):
    """A browser in which an account has signed in, once for each network that it has done so from
    (accounts/known_browsers.py). It gives no right.

    `token_hash` is the SHA-256 of the account and the browser's token, so that the rows of two accounts don't show that
    they share a browser. `network` is the /24 or /48 of the address, empty where the address is unknown.
    """

    id = BigSerial(primary_key=True)
    account = columns.reference(Account)
    token_hash = columns.digest()
    network = columns.words(50)
    address = columns.words(45)
    user_agent = columns.words(200)
    first_seen_at = columns.moment()
    last_seen_at = columns.moment()

    known_browsers_once = Unique(["account", "token_hash", "network"])


class MailedLink(Table, tablename="mailed_links"):
    """A link in a letter, which works once (accounts/links.py). A sign-up has no account yet."""

    token_hash = columns.digest(primary_key=True)
    purpose = columns.words(20)
    account = columns.reference(Account, null=True)
    email = columns.words(254)
    name = columns.words(100, null=True)
    password_hash = columns.text(null=True)
    next_path = columns.text(null=True)
    created_at = columns.moment()
    expires_at = columns.moment()
    credentials_version = Integer(default=0)

    mailed_links_purpose_listed = columns.one_of("purpose", "sign_up", "password_reset", "email_change", "not_me")
    mailed_links_whole = Check(
        "(purpose = 'sign_up') = (account IS NULL) AND (purpose = 'sign_up') = (password_hash IS NOT NULL)"
        " AND (purpose = 'sign_up') = (name IS NOT NULL)"
    )


class RecoveryCode(Table, tablename="recovery_codes"):
    """A code that replaces a code of the authenticator once; used ones are deleted (accounts/recovery_codes.py)."""

    id = BigSerial(primary_key=True)
    account = columns.reference(Account)
    code_hash = columns.digest()
    created_at = columns.moment()

    recovery_codes_once = Unique(["account", "code_hash"])


class Passkey(Table, tablename="passkeys"):
    """A passkey of an account: a COSE public key and how often it has signed, as its authenticator says; 0 for those
    that don't count. `credential_id` is the id that its browser knows it by."""

    id = BigSerial(primary_key=True)
    account = columns.reference(Account)
    credential_id = columns.digest()
    public_key = columns.digest()
    sign_count = columns.big_number()
    is_synced = columns.flag()
    name = columns.words(60)
    created_at = columns.moment()
    last_used_at = columns.moment(null=True)

    passkeys_credential_once = Unique(["credential_id"])
    passkeys_name_once = Unique(["account", "name"])
    passkeys_count_sane = Check("sign_count >= 0")


class AnsweredChallenge(Table, tablename="answered_challenges"):
    """A challenge that was answered, by its SHA-256: no second answer to it is taken (accounts/challenges.py)."""

    challenge_hash = columns.digest(primary_key=True)
    expires_at = columns.moment()


class Throttle(Table, tablename="throttles"):
    """Tries used within a window. `bucket` is a keyed hash of the subject (accounts/throttle.py)."""

    bucket = columns.digest(primary_key=True)
    used = columns.number()
    ends_at = columns.moment()


class FormUse(Table, tablename="form_uses"):
    """One submission of a form, and where its answer redirected to (accounts/form_uses.py).

    `id` is the SHA-256 of the account, the address that the form was sent to, and the form's one-use key. `led_to` is
    NULL while the form is being carried out. `secret_sealed` is shown once, by the page at `led_to`.
    """

    id = columns.digest(primary_key=True)
    session_id = columns.words(20)
    led_to = columns.text(null=True)
    secret_sealed = columns.text(null=True)
    created_at = columns.moment()

    form_uses_secret_of_an_answer = Check("secret_sealed IS NULL OR led_to IS NOT NULL")


class KeptForm(Table, tablename="kept_forms"):
    """What was typed into a form that was not carried out (accounts/kept_forms.py).

    `id` is the SHA-256 of the owner, the address of the form's page, and the form's one-use key. `owner` is the SHA-256
    of the session's id, or of the visit token of a browser in which nobody is signed in.
    """

    id = columns.digest(primary_key=True)
    owner = columns.digest()
    content_sealed = columns.text()
    expires_at = columns.moment()
