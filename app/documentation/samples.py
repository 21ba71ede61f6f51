"""Blocks of code as HTML: each with its language and what it prints, and the same sample in several languages as one
group, which a script shows as tabs."""

from collections.abc import Sequence

import msgspec
from markdown_it.token import Token
from markupsafe import Markup

from app.documentation.highlighting import highlighted

SAME_IN_ANOTHER_LANGUAGE = frozenset({"bash", "python", "typescript", "javascript", "php", "go"})
"""Languages of samples that stand for each other where they follow each other."""

_LABELS = {
    "bash": "Shell",
    "console": "Shell",
    "sh": "Shell",
    "python": "Python",
    "typescript": "TypeScript",
    "javascript": "JavaScript",
    "js": "JavaScript",
    "php": "PHP",
    "go": "Go",
    "html": "HTML",
    "json": "JSON",
    "toml": "TOML",
    "yaml": "YAML",
    "ini": "Configuration",
    "nginx": "nginx",
    "haproxy": "HAProxy",
    "caddyfile": "Caddyfile",
    "sql": "SQL",
}


class Sample(msgspec.Struct):
    """A block of code, and the texts that it prints."""

    language: str
    code: str
    output: list[str] = msgspec.field(default_factory=list)

    @property
    def label(self) -> str:
        """What stands above it."""
        if self.language == "bash" and "curl " in self.code.partition("\n")[0]:
            return "curl"
        return _LABELS.get(self.language, "")

    @property
    def tab(self) -> str:
        """What readers choose: one who reads TypeScript reads JavaScript too."""
        return {"bash": "curl", "javascript": "typescript"}.get(self.language, self.language)


def groups_of(fences: Sequence[Token]) -> list[list[Sample]]:
    """Blocks that follow each other with nothing between them, in groups: the same sample in several languages is one.

    An `output` block belongs to the sample before it.
    """
    groups: list[list[Sample]] = []
    for fence in fences:
        language = (fence.info.split() or [""])[0].lower()
        code = fence.content.rstrip("\n")
        if language == "output" and groups:
            groups[-1][-1].output.append(code)
            continue
        sample = Sample(language, code)
        if groups and _continues(groups[-1], sample):
            groups[-1].append(sample)
        else:
            groups.append([sample])
    return groups


def _continues(group: Sequence[Sample], sample: Sample) -> bool:
    languages = {each.language for each in group} | {sample.language}
    return languages <= SAME_IN_ANOTHER_LANGUAGE and sample.tab not in {each.tab for each in group}


def html_of(group: Sequence[Sample], about: str) -> Markup:
    """A group as HTML. `about` is the heading that it stands below."""
    samples = Markup("").join(_figure(sample, about) for sample in group)
    return Markup('<div class="samples samples--tabs">{}</div>').format(samples) if len(group) > 1 else samples


def _figure(sample: Sample, about: str) -> Markup:
    label = sample.label
    caption = Markup("<figcaption>{}</figcaption>").format(label) if label else ""
    name = f"{label or 'Text'}: {about}"
    code = Markup('<pre tabindex="0" role="group" aria-label="{}"><code translate="no">{}</code></pre>').format(
        name, highlighted(sample.code, sample.language)
    )
    printed = Markup("").join(
        Markup(
            '<div class="sample__output"><p>Prints</p>'
            '<pre tabindex="0" role="group" aria-label="Output of {}"><code translate="no">{}</code></pre></div>'
        ).format(name, text)
        for text in sample.output
    )
    return Markup('<figure class="sample" data-tab="{}" data-label="{}">{}{}{}</figure>').format(
        sample.tab, label, caption, code, printed
    )
