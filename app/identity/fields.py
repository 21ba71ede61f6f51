"""Fields that account pages and the cabinet share."""

from app.core.email_address import EmailAddress
from app.identity.forms import Form
from app.identity.sentences import PLAIN_EMAIL

EMPTY_EMAIL = "Enter an email address, such as name@example.com."


def check_email(form: Form, name: str = "email") -> None:
    """Record an error of a field that is no email address."""
    text = form.text(name)
    if not text:
        form.record(name, EMPTY_EMAIL)
        return
    try:
        EmailAddress.parse(text)
    except ValueError:
        form.record(name, PLAIN_EMAIL)
