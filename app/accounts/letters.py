"""What accounts are told by mail: subjects and words. Plain text, one thing each, no link but the one it is about."""

from dataclasses import dataclass
from urllib.parse import quote


@dataclass(frozen=True, slots=True)
class Letter:
    """A subject and a body."""

    subject: str
    body: str


_NOT_YOU = "If it wasn't you, somebody else may have your password or be signed in as you"


class Letters:
    """Letters of a deployment at `public_url`."""

    def __init__(self, public_url: str) -> None:
        self._url = public_url

    def confirm_sign_up(self, name: str, token: str) -> Letter:
        """To an address that has no account yet."""
        return Letter(
            "Confirm your e-mail address for Swap Pay",
            f"Hello {name},\n\nopen this link and enter the password that you chose, and your account is ready:\n\n"
            f"{self._link('/confirm-email', token)}\n\nThe link works once, for 24 hours.\n\n"
            "If you didn't sign up for Swap Pay, ignore this letter: without your confirmation there is no account.\n",
        )

    def already_signed_up(self, name: str) -> Letter:
        """To an address that has an account, when somebody signs up with it."""
        return Letter(
            "You already have a Swap Pay account",
            f"Hello {name},\n\nsomebody, probably you, tried to sign up for Swap Pay with this address, which has an "
            f"account already. Sign in:\n\n{self._url}/sign-in\n\nor, if you forgot your password, choose a new one:"
            f"\n\n{self._url}/forgot-password\n\nIf it wasn't you, there is nothing to do: nothing was changed.\n",
        )

    def reset_password(self, name: str, token: str) -> Letter:
        """To somebody who forgot their password."""
        return Letter(
            "Choose a new password for Swap Pay",
            f"Hello {name},\n\nthis link lets you choose a new password:\n\n{self._link('/reset-password', token)}\n\n"
            "It works once, for one hour. Two-step verification stays as it is.\n\n"
            "If you didn't ask for it, ignore this letter: your password stays as it is.\n",
        )

    def confirm_new_email(self, name: str, token: str) -> Letter:
        """To the address that somebody wants to change to."""
        return Letter(
            "Confirm your new e-mail address for Swap Pay",
            f"Hello {name},\n\nopen this link to use this address for your Swap Pay account from now on:\n\n"
            f"{self._link('/confirm-email/change', token)}\n\nThe link works once, for 24 hours.\n\n"
            "If you didn't ask for it, ignore this letter.\n",
        )

    def email_change_asked(self, name: str, new_email: str) -> Letter:
        """To the old address, before anything is changed."""
        return self._notice(
            "Your Swap Pay e-mail address is about to change",
            name,
            f"a change of your account's e-mail address to {new_email} was asked for. It takes effect when it is "
            "confirmed there.",
        )

    def email_changed(self, name: str, new_email: str) -> Letter:
        """To the old address, afterwards."""
        return self._notice(
            "Your Swap Pay e-mail address was changed",
            name,
            f"your account's e-mail address is now {new_email}. Letters go there from now on.",
        )

    def password_changed(self, name: str) -> Letter:
        """After a reset or a change."""
        return self._notice(
            "Your Swap Pay password was changed",
            name,
            "the password of your account was changed, and every other browser was signed out.",
        )

    def totp_turned_on(self, name: str) -> Letter:
        """After enrolment of the first or another authenticator."""
        return self._notice(
            "Two-step verification is on for your Swap Pay account",
            name,
            "an authenticator app was set up for your account. Signing in asks for its codes from now on.",
        )

    def totp_turned_off(self, name: str) -> Letter:
        """After two-step verification was turned off."""
        return self._notice(
            "Two-step verification was turned off for your Swap Pay account",
            name,
            "signing in to your account asks for no code any more: whoever has your password has your account.",
        )

    def recovery_codes_made(self, name: str) -> Letter:
        """After new recovery codes."""
        return self._notice(
            "New recovery codes for your Swap Pay account",
            name,
            "ten new recovery codes were made for your account. The old ones work no more.",
        )

    def recovery_code_used(self, name: str, left: int) -> Letter:
        """After a sign-in with a recovery code."""
        return self._notice(
            "A recovery code was used for your Swap Pay account",
            name,
            f"a recovery code was used to sign in. {left} are left.",
        )

    def _notice(self, subject: str, name: str, what: str) -> Letter:
        return Letter(
            subject,
            f"Hello {name},\n\n{what}\n\n{_NOT_YOU}. Choose a new password at once, which signs out everybody:\n\n"
            f"{self._url}/forgot-password\n",
        )

    def _link(self, path: str, token: str) -> str:
        return f"{self._url}{path}?token={quote(token)}"
