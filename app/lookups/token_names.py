"""Names of tokens that nobody has configured. Whoever makes a token chooses its name, so it may be any text."""

import unicodedata

MOST_CHARACTERS = 20

_READ_AS = str.maketrans(
    {
        # Cyrillic and Greek letters that look like Latin ones.
        **dict(zip("АВЕКМНОРСТУХЅІЈԀԜ", "ABEKMHOPCTYXSIJDW", strict=True)),
        **dict(zip("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "ABEZHIKMNOPTYX", strict=True)),
        # Signs that are put in the place of letters; `₮` is what the issuer of USDT uses for its T.
        **dict(zip("015₮$ƬҬ₿", "OISTSTTB", strict=True)),
    }
)


def cleaned(name: str) -> str:
    """A name for people: one line of at most MOST_CHARACTERS printable characters, none of which turns the text around
    it. Empty where nothing is left."""
    kept = "".join(each for each in name if each == " " or unicodedata.category(each)[0] in "LNPS")
    return " ".join(kept.split())[:MOST_CHARACTERS].strip()


def resembles(name: str, symbol: str) -> bool:
    """Whether people may take a token of this name for the asset with this symbol."""
    return _skeleton(name) == _skeleton(symbol)


def _skeleton(text: str) -> str:
    """A text as it is read at a glance: letters alone, in capitals, all of the Latin alphabet."""
    decomposed = unicodedata.normalize("NFKD", text).upper().translate(_READ_AS)
    return "".join(each for each in decomposed if each.isalnum())
