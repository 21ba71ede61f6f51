"""A file of Markdown as a page: HTML that our CSP allows, the headings, the passages that are searched.

HTML in the Markdown is shown as text. Headings get the anchors that GitHub gives them, so a link works in both places.
Links between files become links between pages.
"""

import re
from collections.abc import Mapping, Sequence
from itertools import takewhile
from urllib.parse import urlsplit

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererProtocol
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict
from markupsafe import Markup, escape

from app.documentation.contents import slug_of
from app.documentation.page import EXAMPLE_URL, Heading, Page, Passage, address_of
from app.documentation.samples import groups_of, html_of


def _code(_: RendererProtocol, tokens: Sequence[Token], place: int, options: OptionsDict, env: EnvType) -> str:
    """Code within a sentence. Long names may break after these characters, not in the middle of a word."""
    text = re.sub(r"([_/])", r"\1<wbr>", str(escape(tokens[place].content)))
    return f'<code translate="no">{text}</code>'


_MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable("table")
_MARKDOWN.add_render_rule("code_inline", _code)

_CODE_OF_ROW = re.compile(r"[A-Z][A-Z0-9_]{2,}")
"""What a row of a table can be linked by: an error code, a setting."""

_CODE = ("fence", "code_block")


def page_of(slug: str, markdown: str, titles: Mapping[str, str], public_url: str = EXAMPLE_URL) -> Page:
    """A page. `titles` has all pages by their slug; `public_url` replaces the example's address in samples."""
    rendering = _Rendering(titles, public_url)
    body = rendering.blocks(_MARKDOWN.parse(markdown))
    html = Markup(_MARKDOWN.renderer.render(body, _MARKDOWN.options, {}))  # noqa: S704 - made of escaped text alone
    passages = [Passage(anchor, heading, " ".join(text)) for anchor, heading, text in rendering.passages]
    return Page(slug, rendering.title, html, rendering.headings, [*passages, *rendering.rows])


class _Rendering:
    """One page on its way from Markdown's tokens to those that are rendered."""

    def __init__(self, titles: Mapping[str, str], public_url: str) -> None:
        self._titles = titles
        self._public_url = public_url
        self._anchors: dict[str, int] = {}
        self.title = ""
        self.headings: list[Heading] = []
        self.passages: list[tuple[str, str, list[str]]] = [("", "", [])]
        self.rows: list[Passage] = []

    def blocks(self, tokens: Sequence[Token]) -> list[Token]:
        """The page's blocks, without its title."""
        made: list[Token] = []
        place = 0
        while place < len(tokens):
            token = tokens[place]
            if token.type == "heading_open":
                made += self._heading(token, tokens[place + 1])
                place += 3
            elif token.type in _CODE:
                fences = [token]
                while place + len(fences) < len(tokens) and tokens[place + len(fences)].type in _CODE:
                    fences.append(tokens[place + len(fences)])
                made.append(self._samples(fences))
                place += len(fences)
            else:
                made += self._block(token, tokens, place)
                place += 1
        return made

    def _heading(self, opening: Token, inline: Token) -> list[Token]:
        text = _plain(inline)
        level = int(opening.tag[1])
        if level == 1 and not self.title:
            self.title = text
            return []
        anchor = self._anchor(text)
        self.headings.append(Heading(level, anchor, text))
        self.passages.append((anchor, text, []))
        self._inline(inline)
        words = _MARKDOWN.renderer.render([inline], _MARKDOWN.options, {})
        link = f'<a class="anchor" href="#{escape(anchor)}" aria-label="Link to: {escape(text)}">#</a>'
        return [_html(f'<{opening.tag} id="{escape(anchor)}">{words}{link}</{opening.tag}>\n')]

    def _anchor(self, text: str) -> str:
        slug = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
        used = self._anchors.get(slug, 0)
        self._anchors[slug] = used + 1
        return f"{slug}-{used}" if used else slug

    def _samples(self, fences: Sequence[Token]) -> Token:
        for fence in fences:
            fence.content = fence.content.replace(EXAMPLE_URL, self._public_url)
            self._say(fence.content)
        about = self.headings[-1].text if self.headings else self.title
        return _html("".join(f"{html_of(group, about)}\n" for group in groups_of(fences)))

    def _block(self, token: Token, tokens: Sequence[Token], place: int) -> list[Token]:
        if token.type == "inline":
            self._inline(token)
            self._say(_plain(token))
        elif token.type == "table_open":
            about = self.headings[-1].text if self.headings else self.title
            return [_html(f'<div class="table" tabindex="0" role="group" aria-label="Table: {escape(about)}">'), token]
        elif token.type == "table_close":
            return [token, _html("</div>\n")]
        elif token.type == "tr_open":
            self._name_row(token, tokens[place + 1 :])
        elif token.type in ("th_open", "td_open"):
            _cell(token, tokens[place + 1], tokens[place + 2])
        return [token]

    def _name_row(self, row: Token, after: Sequence[Token]) -> None:
        """Give a table's row the anchor of the one code that stands alone in one of its cells, and a passage."""
        cells = [token for token in takewhile(lambda token: token.type != "tr_close", after) if token.type == "inline"]
        for cell in cells:
            children = cell.children or []
            if len(children) == 1 and children[0].type == "code_inline":
                code = children[0].content
                if _CODE_OF_ROW.fullmatch(code) and code not in self._anchors:
                    self._anchors[code] = 1
                    row.attrSet("id", code)
                    self.rows.append(Passage(code, code, " · ".join(_plain(cell) for cell in cells)))
                    return

    def _say(self, text: str) -> None:
        self.passages[-1][2].append(text)

    def _inline(self, token: Token) -> None:
        children, tag = token.children or [], "a"
        for place, child in enumerate(children):
            if child.type == "link_open":
                words = children[place + 1] if place + 1 < len(children) else None
                self._link(child, words)
                tag = child.tag
            elif child.type == "link_close":
                child.tag = tag
            elif child.type == "image":
                child.attrs = {"src": f"/docs/{child.attrs['src']}", "alt": "", "loading": "lazy"}

    def _link(self, opening: Token, words: Token | None) -> None:
        """A link between pages, to another site, or, for any other file of the sources, its name."""
        target = urlsplit(str(opening.attrs["href"]))
        if target.scheme:
            opening.attrSet("href", str(opening.attrs["href"]).replace(EXAMPLE_URL, self._public_url))
            opening.attrSet("rel", "noopener noreferrer")
            return
        if not target.path or target.path.startswith("/"):
            return
        slug = slug_of(target.path)
        if slug in self._titles and target.path.endswith(".md"):
            if words is not None and words.type in ("text", "code_inline") and words.content == target.path:
                words.content = self._titles[slug]
            fragment = f"#{target.fragment}" if target.fragment else ""
            opening.attrSet("href", address_of(slug) + fragment)
            return
        opening.tag = "span"
        opening.attrs = {"class": "source-file", "title": f"{_in_sources(target.path)} in the sources"}


def _cell(opening: Token, inline: Token, closing: Token) -> None:
    """A cell of a table: its alignment as a class, for the CSP; the scope of a heading, unless it is empty."""
    if "style" in opening.attrs:
        opening.attrs = {"class": str(opening.attrs["style"]).replace("text-align:", "align-")}
    if opening.tag == "th" and inline.content:
        opening.attrSet("scope", "col")
    elif opening.tag == "th":
        opening.tag = closing.tag = "td"


def _in_sources(path: str) -> str:
    return path.removeprefix("../") if path.startswith("../") else f"docs/{path}"


def _plain(inline: Token) -> str:
    """What a reader reads of a line."""
    return "".join(
        " " if child.type in ("softbreak", "hardbreak") else child.content for child in inline.children or []
    )


def _html(text: str) -> Token:
    token = Token("html_block", "", 0)
    token.content = text
    return token
