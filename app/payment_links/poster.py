"""The words of a payment link's poster, in a language of the merchant's customers."""

import msgspec

from app.web.languages import Language


class PosterWords(msgspec.Struct, frozen=True):
    """What stands around the code."""

    headline: str
    steps: tuple[str, ...]
    by_hand: str
    """Before the address, for whoever has no camera."""


def poster_words(language: Language) -> PosterWords:
    """The instruction in plain words."""
    _ = language.gettext
    return PosterWords(
        headline=_("Scan to pay"),
        steps=(
            _("Open the camera of your phone and point it at the code."),
            _("Open the link that appears."),
            _("Follow the steps there, and pay with your wallet."),
        ),
        by_hand=_("Or open this address:"),
    )
