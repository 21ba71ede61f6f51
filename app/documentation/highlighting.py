"""Code with its parts in elements, each with one of a few classes: our CSP forbids inline styles."""

from functools import cache

from markupsafe import Markup, escape
from pygments.lexer import Lexer
from pygments.lexers import get_lexer_by_name
from pygments.token import Comment, Generic, Keyword, Literal, Name, Token, _TokenType
from pygments.util import ClassNotFound

_CLASSES: tuple[tuple[_TokenType, str], ...] = (
    (Comment, "comment"),
    (Generic.Prompt, "comment"),
    (Generic.Output, "comment"),
    (Keyword, "keyword"),
    (Literal.Number, "number"),
    (Literal.String, "string"),
    (Name.Tag, "keyword"),
    (Name.Attribute, "name"),
    (Name.Function, "name"),
    (Name.Class, "name"),
    (Name.Variable, "name"),
)
"""The class of a kind of token, and of all kinds below it. Others have none."""

_OTHER_NAMES = {"caddyfile": "nginx", "haproxy": "nginx", "sh": "bash", "js": "javascript"}
"""Languages that have no lexer of their own, or go by another name."""


def highlighted(code: str, language: str) -> Markup:
    """The code as HTML. A language that is not known stays as it is."""
    lexer = _lexer(_OTHER_NAMES.get(language, language))
    if lexer is None:
        return escape(code)
    pieces = []
    for kind, text in lexer.get_tokens(code):
        name = _class_of(kind)
        pieces.append(Markup('<span class="code-{}">{}</span>').format(name, text) if name else escape(text))
    return Markup("").join(pieces)


@cache
def _lexer(language: str) -> Lexer | None:
    if language in ("", "text", "output", "mermaid"):
        return None
    try:
        return get_lexer_by_name(language, stripnl=False, ensurenl=False)
    except ClassNotFound:
        return None


@cache
def _class_of(kind: _TokenType) -> str | None:
    if kind in Token.Text:
        return None
    return next((name for family, name in _CLASSES if kind in family), None)
