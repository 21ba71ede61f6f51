"""The search over all pages: which passages have the words, the best first.

A word in a page's title counts more than one in a heading, and that more than one in the text; a rare word counts more
than one that is everywhere. A word that no page has stands for the nearest one that some page has.
"""

import math
import re
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from functools import cached_property
from typing import NamedTuple

from markupsafe import Markup, escape

from app.documentation.page import Page, address_of

MAX_LENGTH = 100
"""Characters of a query that are looked at."""

MAX_WORDS = 8
MAX_HITS = 20
MAX_HITS_OF_PAGE = 3

TITLE, HEADING, TEXT = 12.0, 6.0, 1.0
BEGINNING = 0.6
"""What the beginning of a word counts beside the whole word."""

FIRST_PAGE, LAST_PAGE = 1.5, 0.6
"""What a place counts on the first page of the navigation and on the last one: guides come before the code's map."""

FILLERS = frozenset(
    re.findall(r"\w+", "a an and are be can do does for from how i if in is it my of on or the to what when with")
)
"""Words that are looked for only where nothing else was asked for."""

NEAR = 0.75
"""How alike two words are, of 1, for one to stand for the other (`difflib`)."""

SNIPPET = 180
"""Characters of a passage that are shown."""

_WORD = re.compile(r"\w+")


class Hit(NamedTuple):
    """A passage that was found. `snippet` has the words marked."""

    slug: str
    address: str
    title: str
    heading: str
    section: str
    snippet: Markup


class Found(NamedTuple):
    """What a search found. `instead` has the words that were taken for unknown ones."""

    hits: list[Hit]
    instead: Mapping[str, str]


class _Place(NamedTuple):
    page: Page
    section: str
    address: str
    heading: str
    text: str


class Index:
    """All passages of all pages, in the order of the navigation; `sections` has each page's section."""

    def __init__(self, pages: Sequence[Page], sections: Mapping[str, str]) -> None:
        self._places: list[_Place] = []
        self._shares: dict[str, float] = {}
        self._weights: dict[str, dict[int, float]] = defaultdict(dict)
        for number, page in enumerate(pages):
            self._shares[page.slug] = FIRST_PAGE - (FIRST_PAGE - LAST_PAGE) * number / len(pages)
            for passage in page.passages:
                fragment = f"#{passage.anchor}" if passage.anchor else ""
                address = address_of(page.slug) + fragment
                self._places.append(_Place(page, sections[page.slug], address, passage.heading, passage.text))
                self._add(len(self._places) - 1)

    def search(self, query: str) -> Found:
        """The best passages for the words of a query: those that have all of them, else those that have any."""
        given = list(dict.fromkeys(words_of(query[:MAX_LENGTH])))
        asked = ([word for word in given if word not in FILLERS] or given)[:MAX_WORDS]
        scores: list[dict[int, float]] = []
        instead: dict[str, str] = {}
        for word in asked:
            found = self._having(word)
            if not found and (near := self._nearest(word)):
                instead[word] = near
                found = self._having(near)
            scores.append(found)
        total: dict[int, float] = defaultdict(float)
        for each in scores:
            for place, score in each.items():
                total[place] += score * self._shares[self._places[place].page.slug]
        everywhere = [place for place in total if all(place in each for each in scores)]
        ranked = sorted(everywhere or total, key=lambda place: (-total[place], place))
        meant = [instead.get(word, word) for word in asked]
        return Found(list(self._hits(ranked, meant)), instead)

    def _add(self, number: int) -> None:
        place = self._places[number]
        counted: dict[str, float] = defaultdict(float)
        for word, times in Counter(words_of(place.text)).items():
            counted[word] += TEXT * (1 + math.log(times))
        for word in set(words_of(place.heading)):
            counted[word] += HEADING
        for word in set(words_of(place.page.title)):
            counted[word] += TITLE if not place.heading else TITLE / 4
        for word, weight in counted.items():
            self._weights[word][number] = weight

    def _having(self, word: str) -> dict[int, float]:
        """The places that have a word, or one that begins so, and how much that counts."""
        found: dict[int, float] = {}
        for known in self._beginning_with(word):
            share = 1.0 if known == word else BEGINNING
            places = self._weights[known]
            rare = math.log(1 + len(self._places) / len(places))
            for place, weight in places.items():
                found[place] = max(found.get(place, 0.0), share * rare * weight)
        return found

    def _beginning_with(self, word: str) -> Iterable[str]:
        if len(word) == 1:
            if word in self._weights:
                yield word
            return
        place = bisect_left(self._vocabulary, word)
        while place < len(self._vocabulary) and self._vocabulary[place].startswith(word):
            yield self._vocabulary[place]
            place += 1

    def _nearest(self, word: str) -> str | None:
        likely = [known for known in self._vocabulary if abs(len(known) - len(word)) <= 2 and known[0] == word[0]]
        near = get_close_matches(word, likely, n=1, cutoff=NEAR)
        return near[0] if near else None

    @cached_property
    def _vocabulary(self) -> list[str]:
        return sorted(self._weights)

    def _hits(self, ranked: Sequence[int], words: Sequence[str]) -> Iterable[Hit]:
        of_page: Counter[str] = Counter()
        for number in ranked:
            place = self._places[number]
            if of_page[place.page.slug] == MAX_HITS_OF_PAGE:
                continue
            of_page[place.page.slug] += 1
            snippet = marked(_part(place.text, words), words)
            yield Hit(place.page.slug, place.address, place.page.title, place.heading, place.section, snippet)
            if of_page.total() == MAX_HITS:
                return


def words_of(text: str) -> list[str]:
    """The words of a text as they are compared: small letters, and the plural of a word as the word. `order_id` is a
    word, and so are its parts."""
    found = []
    for word in _WORD.findall(text.lower()):
        found.append(_singular(word))
        if "_" in word:
            found += [_singular(part) for part in word.split("_") if part]
    return found


def _singular(word: str) -> str:
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word


def _part(text: str, words: Sequence[str]) -> str:
    """The part of a passage around the first of the words."""
    lowered = text.lower()
    starts = [match.start() for word in words if (match := re.search(rf"\b{re.escape(word)}", lowered))]
    start = max(0, min(starts, default=0) - SNIPPET // 3)
    if start:
        start = text.find(" ", start) + 1
    end = len(text) if start + SNIPPET >= len(text) else text.rfind(" ", start, start + SNIPPET)
    part = text[start : end if end > start else start + SNIPPET]
    return f"{'… ' if start else ''}{part}{' …' if end < len(text) else ''}"


def marked(text: str, words: Sequence[str]) -> Markup:
    """The text as HTML, with the words, and longer ones that begin so, in `<mark>`."""
    if not words:
        return escape(text)
    pattern = re.compile(rf"\b(?:{'|'.join(map(re.escape, words))})\w*", re.IGNORECASE)
    pieces, place = [], 0
    for match in pattern.finditer(text):
        pieces += [escape(text[place : match.start()]), Markup("<mark>{}</mark>").format(match[0])]
        place = match.end()
    return Markup("").join([*pieces, escape(text[place:])])
