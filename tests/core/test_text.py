"""Bidirectional control characters: all of them, and nothing else."""

import sys
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from app.core.text import DIRECTION_CONTROLS, HARMFUL_ON_A_PAGE, harmless_page, without_direction_controls


def test_the_list_has_every_control_that_unicode_has() -> None:
    explicit = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
    every = [chr(code) for code in range(sys.maxunicode + 1)]
    controls = {character for character in every if unicodedata.bidirectional(character) in explicit}
    marks = {"\N{LEFT-TO-RIGHT MARK}", "\N{RIGHT-TO-LEFT MARK}", "\N{ARABIC LETTER MARK}"}
    assert set(DIRECTION_CONTROLS) == controls | marks


@given(st.text(alphabet=st.characters() | st.sampled_from(DIRECTION_CONTROLS)))
def test_only_controls_are_removed(text: str) -> None:
    assert without_direction_controls(text) == "".join(each for each in text if each not in DIRECTION_CONTROLS)
    assert harmless_page(text) == "".join(each for each in text if each not in HARMFUL_ON_A_PAGE)
