"""Letters (emails) to accounts, in plain text. Each is about one thing and has at most one link for it.

A letter to an unconfirmed address contains no name: a stranger could have chosen it.
"""

from typing import Literal
from urllib.parse import quote

from app.mail.letters import Kind, Letter, letter

_NOT_YOU = "If it wasn't you, somebody else may have your password or be signed in as you"

_WAS_NOT_YOU = (
    "If it wasn't you, open this link. Its page signs out everybody, stops your password, and lets you choose a new "
    "one:\n\n{link}\n\nThe link works once, for 7 days.\n"
)


class Letters:
    """Letters of a deployment at `public_url`."""

    def __init__(self, public_url: str) -> None:
        self._url = public_url

    def confirm_sign_up(self, token: str) -> Letter:
        """To an address that has no account yet."""
        return letter(
            Kind.UNASKED,
            "Confirm your email address for Swap Pay",
            "Hello,\n\nopen this link and enter the password that you chose, and your account is ready:\n\n"
            "{link}\n\nThe link works once, for 24 hours.\n\n"
            "If you didn't sign up for Swap Pay, ignore this email: without your confirmation there is no account.\n",
            ours={"link": self._link("/confirm-email", token)},
        )

    def already_signed_up(self, name: str) -> Letter:
        """To an address that has an account, when somebody signs up with it, or wants to change to it."""
        return letter(
            Kind.UNASKED,
            "You already have a Swap Pay account",
            "Hello {name},\n\nsomebody, probably you, tried to sign up for Swap Pay with this address, which has an "
            "account already. Sign in:\n\n{site}/sign-in\n\nor, if you forgot your password, choose a new one:"
            "\n\n{site}/forgot-password\n\nIf it wasn't you, there is nothing to do: nothing was changed.\n",
            ours={"site": self._url},
            name=name,
        )

    def reset_password(self, name: str, token: str) -> Letter:
        """To somebody who forgot their password."""
        return letter(
            Kind.RESET,
            "Choose a new password for Swap Pay",
            "Hello {name},\n\nthis link lets you choose a new password:\n\n{link}\n\n"
            "It works once, for one hour. Two-step verification stays as it is.\n\n"
            "If you didn't ask for it, ignore this email: your password stays as it is.\n",
            ours={"link": self._link("/reset-password", token)},
            name=name,
        )

    def reset_after_not_me(self, name: str, token: str) -> Letter:
        """To somebody who said that a sign-in was not theirs: their password no longer works."""
        return letter(
            Kind.RESET,
            "Choose a new password for Swap Pay",
            "Hello {name},\n\nyou told us that a sign-in to your account was not yours. Everybody is signed out, and "
            "your old password no longer works. Choose a new one:\n\n{link}\n\n"
            "The link works once, for one hour. Two-step verification stays as it is: look at your authenticator app "
            "and your passkeys after signing in, and remove what is not yours.\n",
            ours={"link": self._link("/reset-password", token)},
            name=name,
        )

    def new_sign_in(
        self,
        name: str,
        token: str,
        *,
        new: Literal["browser", "network"],
        browser: str,
        system: str,
        address: str,
        how: str,
    ) -> Letter:
        """After a sign-in from a browser or a network that the account has not used before. `browser`, `system` and
        `how` are words of ours."""
        return letter(
            Kind.SIGN_IN,
            "New sign-in to your Swap Pay account",
            f"Hello {{name}},\n\nsomebody signed in to your account from a {new} that has not been used for it before:"
            "\n\n"
            "Time: {now}\nBrowser: {browser}\nOperating system: {system}\nIP address: {address}\nBy: {how}\n\n"
            "If it was you, there is nothing to do.\n\n" + _WAS_NOT_YOU,
            ours={
                "link": self._link("/not-me", token),
                "browser": browser,
                "system": system,
                "address": address,
                "how": how,
            },
            name=name,
        )

    def more_sign_ins(self, name: str, token: str) -> Letter:
        """After the last email of a day about single sign-ins."""
        return letter(
            Kind.SIGN_IN,
            "More new sign-ins to your Swap Pay account",
            "Hello {name},\n\ntoday there were more sign-ins to your account from new browsers or networks, the last "
            "one at {now}. You get no further emails about them within a day: all are listed in your account under "
            "“Sign-in and security”.\n\nIf all were yours, there is nothing to do.\n\n" + _WAS_NOT_YOU,
            ours={"link": self._link("/not-me", token)},
            name=name,
        )

    def confirm_new_email(self, token: str) -> Letter:
        """To the address that somebody wants to change to."""
        return letter(
            Kind.UNASKED,
            "Confirm your new email address for Swap Pay",
            "Hello,\n\nopen this link to use this address for your Swap Pay account from now on:\n\n"
            "{link}\n\nThe link works once, for 24 hours.\n\n"
            "If you didn't ask for it, ignore this email.\n",
            ours={"link": self._link("/confirm-email/change", token)},
        )

    def email_change_requested(self, name: str, new_email: str) -> Letter:
        """To the old address, before anything is changed."""
        return self._notice(
            "Your Swap Pay email address is about to change",
            "a change of your account's email address to {new_email} was requested. It takes effect when it is "
            "confirmed there.",
            name=name,
            new_email=new_email,
        )

    def email_changed(self, name: str, new_email: str) -> Letter:
        """To the old address, afterwards."""
        return self._notice(
            "Your Swap Pay email address was changed",
            "your account's email address is now {new_email}. Emails go there from now on.",
            name=name,
            new_email=new_email,
        )

    def password_changed(self, name: str) -> Letter:
        """After a reset or a change."""
        return self._notice(
            "Your Swap Pay password was changed",
            "the password of your account was changed, and every other browser was signed out.",
            name=name,
        )

    def totp_turned_on(self, name: str) -> Letter:
        """After enrolment of the first or another authenticator."""
        return self._notice(
            "Two-step verification is on for your Swap Pay account",
            "an authenticator app was set up for your account. Signing in asks for its codes from now on.",
            name=name,
        )

    def passkey_added(self, name: str, passkey: str) -> Letter:
        """After a passkey was added."""
        return self._notice(
            "A passkey was added to your Swap Pay account",
            "a passkey named “{passkey}” can sign in to your account from now on.",
            name=name,
            passkey=passkey,
        )

    def passkey_removed(self, name: str, passkey: str) -> Letter:
        """After a passkey was removed."""
        return self._notice(
            "A passkey was removed from your Swap Pay account",
            "the passkey named “{passkey}” can't sign in any more. All other sessions have ended.",
            name=name,
            passkey=passkey,
        )

    def totp_turned_off(self, name: str) -> Letter:
        """After two-step verification was turned off."""
        return self._notice(
            "Two-step verification was turned off for your Swap Pay account",
            "signing in to your account asks for no code any more: your password alone is enough.",
            name=name,
        )

    def recovery_codes_made(self, name: str) -> Letter:
        """After new recovery codes."""
        return self._notice(
            "New recovery codes for your Swap Pay account",
            "ten new recovery codes were made for your account. The old ones no longer work.",
            name=name,
        )

    def recovery_code_used(self, name: str, left: int) -> Letter:
        """After a sign-in with a recovery code."""
        return self._notice(
            "A recovery code was used for your Swap Pay account",
            f"a recovery code was used to sign in. {left} are left.",
            name=name,
        )

    def _notice(self, subject: str, what: str, **theirs: str) -> Letter:
        return letter(
            Kind.SECURITY,
            subject,
            f"Hello {{name}},\n\n{what}\n\nTime: {{now}}\n\n{_NOT_YOU}. Choose a new password at once, "
            "which signs out everybody:\n\n"
            "{site}/forgot-password\n",
            ours={"site": self._url},
            **theirs,
        )

    def _link(self, path: str, token: str) -> str:
        return f"{self._url}{path}?token={quote(token)}"
