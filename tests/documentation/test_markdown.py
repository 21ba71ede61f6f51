"""From Markdown to a page: nothing that our CSP refuses, anchors as on GitHub, samples in groups."""

import re

from app.documentation.contents import sections_of
from app.documentation.markdown import page_of

TITLES = {"refunds": "Refunds", "errors": "Errors"}


def html(markdown: str) -> str:
    return str(page_of("here", f"# Here\n\n{markdown}", TITLES).html)


def test_what_is_written_is_text_and_never_markup() -> None:
    page = page_of("here", "# A & <b>\n\n<script>alert(1)</script> `<i>` [x](javascript:alert(1))", TITLES)
    assert page.title == "A & <b>"
    assert "<script" not in page.html
    assert "&lt;script&gt;" in page.html
    assert "&lt;i&gt;" in page.html
    assert 'href="javascript' not in page.html


def test_headings_have_the_anchors_of_github_and_a_link_to_themselves() -> None:
    page = page_of("here", "# T\n\n## What `a_b` may, and when\n\ntext\n\n## Same\n\n## Same\n\n### Ünter", TITLES)
    assert [(heading.level, heading.anchor) for heading in page.headings] == [
        (2, "what-a_b-may-and-when"),
        (2, "same"),
        (2, "same-1"),
        (3, "ünter"),
    ]
    for heading in page.headings:
        assert f'id="{heading.anchor}"' in page.html
        assert f'href="#{heading.anchor}"' in page.html
    assert page.passages[1].text == "text"


def test_links_between_files_become_links_between_pages() -> None:
    made = html("[refunds.md](refunds.md), [codes](errors.md#every-code), [below](#x), [site](https://a.example/b)")
    assert '<a href="/docs/refunds">Refunds</a>' in made, "a file's name is no text for a reader"
    assert '<a href="/docs/errors#every-code">codes</a>' in made
    assert '<a href="#x">below</a>' in made
    assert '<a href="https://a.example/b" rel="noopener noreferrer">site</a>' in made
    files = html("[the rules](deploy/alerts.yaml) and [Procfile](../Procfile)")
    assert '<span class="source-file" title="docs/deploy/alerts.yaml in the sources">the rules</span>' in files
    assert '<span class="source-file" title="Procfile in the sources">Procfile</span>' in files


def test_tables_scroll_by_keyboard_and_their_codes_have_anchors() -> None:
    table = "## Codes\n\n| n | code | what |\n|--:|---|---|\n| 400 | `NO_SUCH` | text |\n| 404 | `a`, `B_C` | x |\n"
    page = page_of("here", f"# T\n\n{table}", TITLES)
    assert '<div class="table" tabindex="0" role="group" aria-label="Table: Codes">' in page.html
    assert '<tr id="NO_SUCH">' in page.html
    assert page.html.count("<tr id=") == 1
    assert 'class="align-right"' in page.html
    assert "style=" not in page.html
    assert "<td></td>" in html("| | a |\n|---|---|\n| b | c |\n"), "an empty heading heads nothing"
    assert '<td><code translate="no">NO_<wbr>SUCH</code></td>' in page.html, "a long name breaks between its words"
    (row,) = (passage for passage in page.passages if passage.anchor == "NO_SUCH")
    assert row.text == "400 · NO_SUCH · text"


def test_one_sample_in_several_languages_is_a_group_with_what_each_prints() -> None:
    fences = [
        ("bash", "curl a"),
        ("output", "one"),
        ("python", "print('<1>')"),
        ("output", "two"),
        ("typescript", "f()"),
    ]
    blocks = "\n\n".join(f"```{language}\n{code}\n```" for language, code in fences)
    made = html(f"{blocks}\n\nWords between.\n\n```python\nalone = 1\n```\n\n```python\nanother = 2\n```")
    assert made.count('<div class="samples samples--tabs">') == 1
    (group,) = re.findall(r'<div class="samples samples--tabs">(.*?)</figure></div>', made, re.DOTALL)
    assert re.findall('data-label="([^"]+)"', group) == ["curl", "Python", "TypeScript"]
    assert group.index("curl a") < group.index(">one<") < group.index("&lt;1&gt;") < group.index(">two<")
    assert made.count("<figure") == 5
    assert '<span class="code-number">1</span>' in made


def test_samples_show_the_address_of_this_deployment() -> None:
    page = page_of("here", "# T\n\n```bash\ncurl https://pay.example.com/x\n```", TITLES, "https://pay.shop.test")
    assert "https://pay.shop.test/x" in page.html
    assert "example.com" not in page.html


def test_the_navigation_is_the_lists_of_the_first_page() -> None:
    sections = sections_of(
        "# T\n\nwords\n\n## A\n\n- [One](one.md): first\n- no link\n\n## Empty\n\n## B\n\n- [Two](two.md)\n"
    )
    assert [(section.title, [entry.slug for entry in section.entries]) for section in sections] == [
        ("A", ["one"]),
        ("B", ["two"]),
    ]
    assert sections[0].entries[0] == ("one", "one.md", "One", "first", "A")
