"""The one parser of email addresses: it accepts exactly one mailbox, in one spelling.

Accounts, invitations, limits and letters all use it. Read by two parsers, `a,b@example.com` or `x<b@example.com>` would
be one address to the code that counts letters and another to the mail server.
"""

from typing import Self

import msgspec

MAX_LENGTH = 254
"""RFC 5321's limit of a path (256, section 4.5.3.1.3), less its brackets."""


class EmailAddress(msgspec.Struct, frozen=True):
    """A mailbox, in lower case. `parse` makes it.

    `local` is a dot-atom of at most 64 characters (RFC 5321, section 4.1.2): no quotes, no comments, no display name.
    `domain` has two labels at least, in their ASCII form (RFC 5891).
    """

    local: str
    domain: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse an address; space around it is ignored. Raises ValueError for everything but exactly one mailbox."""
        from email_validator import EmailNotValidError, validate_email  # noqa: PLC0415 - 25 ms for its expressions

        text = text.strip()
        if len(text) > MAX_LENGTH or not text.isprintable():
            raise ValueError("is not an email address")
        try:
            # Private names such as `corp.internal` are fine on a self-hosted gateway, and so are those for tests.
            parts = validate_email(
                text,
                allow_smtputf8=False,
                check_deliverability=False,
                globally_deliverable=False,
                test_environment=True,
                strict=True,
            )
        except EmailNotValidError:
            raise ValueError("is not an email address") from None
        domain = parts.ascii_domain.lower()
        if "." not in domain or domain.rpartition(".")[2].isdigit() or parts.ascii_local_part is None:
            raise ValueError("is not an email address")
        if len(parts.ascii_local_part) + 1 + len(domain) > MAX_LENGTH:
            raise ValueError("is not an email address")
        return cls(parts.ascii_local_part.lower(), domain)

    def __str__(self) -> str:
        return f"{self.local}@{self.domain}"


def as_kept(text: str) -> str:
    """An address as it is stored, for look-ups. A bad one is returned in lower case: no account has it."""
    try:
        return str(EmailAddress.parse(text))
    except ValueError:
        return text.strip().lower()[: MAX_LENGTH + 1]
