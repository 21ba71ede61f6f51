"""Free text that strangers write and others read: names, descriptions, reasons, notes.

Unicode has invisible characters that change the direction of what follows (UAX 9, section 2). U+202E, RIGHT-TO-LEFT
OVERRIDE, in a description shows "12" as "21" after it. Hebrew and Arabic need none of them: their letters have a
direction of their own.
"""

_EMBEDDINGS_AND_OVERRIDES = "\u202a\u202b\u202c\u202d\u202e"
_FORCED_ISOLATES = "\u2066\u2067"
_OWN_ISOLATE = "\u2068\u2069"
"""FIRST STRONG ISOLATE and its end: our own pages put them around a name (`Language.isolate`)."""
_MARKS = "\u061c\u200e\u200f"

DIRECTION_CONTROLS = _EMBEDDINGS_AND_OVERRIDES + _FORCED_ISOLATES + _OWN_ISOLATE + _MARKS
"""Every character with the property Bidi_Control (Unicode 16)."""

HARMFUL_ON_A_PAGE = _EMBEDDINGS_AND_OVERRIDES + _FORCED_ISOLATES
"""Those that no page of ours contains on purpose."""

_WITHOUT_ANY = dict.fromkeys(map(ord, DIRECTION_CONTROLS))
_WITHOUT_HARMFUL = dict.fromkeys(map(ord, HARMFUL_ON_A_PAGE))


def without_direction_controls(text: str) -> str:
    """Text as it is accepted: without any bidirectional control."""
    return text if text.isascii() else text.translate(_WITHOUT_ANY)


def harmless_page(page: str) -> str:
    """A page or file as it is sent: without the controls that could change its direction, even if they are stored."""
    if page.isascii() or not any(character in page for character in HARMFUL_ON_A_PAGE):
        return page
    return page.translate(_WITHOUT_HARMFUL)
