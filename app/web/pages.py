"""Pages: the template engine in each language, and static files."""

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, MutableMapping, Sequence
from datetime import UTC
from functools import cache, partial
from types import CodeType
from typing import Any, NamedTuple, NewType

from jinja2 import BytecodeCache, Environment, FileSystemLoader, StrictUndefined
from jinja2.bccache import Bucket
from litestar import Request, Response, Router
from litestar.config.compression import CompressionConfig
from litestar.datastructures import CacheControlHeader
from litestar.file_system import BaseLocalFileSystem
from litestar.middleware import DefineMiddleware
from litestar.middleware.compression import CompressionMiddleware
from litestar.static_files import create_static_files_router
from litestar.types import PathType
from litestar.types.file_types import FileInfo
from markupsafe import Markup, escape

from app.core import resources
from app.core.text import HARMFUL_ON_A_PAGE, harmless_page
from app.web import languages
from app.web.errors import ErrorView
from app.web.figures import exact, figure
from app.web.languages import ENGLISH, Language
from app.web.moments import moment, reading_in
from app.web.row_memory import row_markup

HTML = "text/html"
"""Litestar adds the charset to text."""

STATIC_MAX_AGE_S = 3600
"""Browsers keep static files for an hour; a changed file has another address at once."""

COMPRESSED_FROM_BYTES = 500

GZIP_LEVEL = 4
"""Makes a checkout page 4 % larger than level 6, in two thirds of the time."""

COMPRESSED = DefineMiddleware(
    CompressionMiddleware,
    config=CompressionConfig(backend="gzip", gzip_compress_level=GZIP_LEVEL, minimum_size=COMPRESSED_FROM_BYTES),
)
"""For routes whose answers are text of some length and hold no secret beside what a stranger may choose (BREACH). Never
for a stream of events, which a compressor would hold back, nor for the API's short answers."""

_MARK = "\0"
"""Marks the place of a value. No template contains it, and no value is looked at for it."""

FORMS_KEPT = 300
"""Forms of templates that a process keeps in each language, a few kB each: more than are in use at one time."""

Part = NewType("Part", bytes)
"""HTML as it is sent, in UTF-8: all text in it is escaped, and free of what could change a page's direction."""

NO_PART = Part(b"")

Slots = Mapping[str, str | Part]
"""Values of a template by name; empty where there is none."""

Given = bool | int | str
"""What a template decides by. A `str` is one of a few words of ours."""

_ERROR_PAGES = frozenset({404, 429, 500, 503})

RELOAD_AFTER_S = 10
"""The time after which the browser reloads, by itself, a page that can't be shown now."""


class Pages:
    """Renders templates, in English by default."""

    def __init__(self) -> None:
        self._environments = {language: _environment(language) for language in languages.every()}
        self._forms = {language: _Forms(environment) for language, environment in self._environments.items()}

    def page(
        self, template: str, context: Mapping[str, Any], *, language: Language = ENGLISH, status: int = 200
    ) -> Response[bytes]:
        """A response with the template rendered."""
        body, headers = self.render(template, context, language).encode(), {"Content-Language": language.code}
        return Response(body, status_code=status, media_type=HTML, headers=headers)

    def render(self, template: str, context: Mapping[str, Any], language: Language = ENGLISH) -> str:
        """The template as text, in which no stored value changes the direction of the rest.

        The filter `moment` shows times in the context's `zone`, else in UTC. Raises UndefinedError for a value that the
        context lacks.
        """
        with reading_in(context.get("zone", UTC)):
            return harmless_page(self._environments[language].get_template(template).render(context))

    def markup(self, template: str, context: Mapping[str, Any], language: Language) -> Markup:
        """The template as a part of another one."""
        return Markup(self._environments[language].get_template(template).render(context))  # noqa: S704 - escaped there

    def filled(self, template: str, slots: Slots, *, language: Language = ENGLISH, **given: Given) -> Part:
        """A template that is rendered once for each of its forms; later only values are put where they stand.

        `slots` are the values: texts, escaped here unless they are Markup, and parts that are filled already. The
        template prints a slot as it is, and knows besides only whether it is empty. `given` is what it decides by:
        words of ours, never foreign text. Each form is kept, so there must be few. A template is always filled with the
        same names, in the same order.
        """
        return self._forms[language].filled(template, slots, given)

    def blocks(self, template: str, names: Sequence[str], context: Mapping[str, Any]) -> str | None:
        """Only these blocks of a template, which import what they use; None where it has not all of them itself."""
        found = self._environments[ENGLISH].get_template(template)
        if not names or not found.blocks.keys() >= set(names):
            return None
        with reading_in(context.get("zone", UTC)):
            given = found.new_context(dict(context))
            return harmless_page("".join(piece for name in names for piece in found.blocks[name](given)))

    def error(self, request: Request[Any, Any, Any], view: ErrorView) -> str:
        """The page of an error. A status without a page of its own gets the page of 404 or 500."""
        status = view.status if view.status in _ERROR_PAGES else 500 if view.status >= 500 else 404
        context: dict[str, Any] = {"request_id": view.request_id}
        if view.status == 503 and request.method == "GET":
            context["reload_after_s"] = RELOAD_AFTER_S
        return self.render(f"errors/{status}.html", context, language_of(request))


def written(text: str) -> Part:
    """A text as a part: escaped unless it is Markup, and without what could change the page's direction."""
    return Part(harmless_page(text if type(text) is Markup else escape(text)).encode())


def joined(parts: Iterable[Part], between: str = "") -> Part:
    """Parts, one after the other."""
    return Part(between.encode().join(parts))


class _Form(NamedTuple):
    """What a template has between its slots, a gap after each piece but the last; and which slot is in which gap."""

    between: list[bytes]
    names: tuple[str, ...]


class _Forms:
    """The forms of templates in one language: FORMS_KEPT at most, those that were made last."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._kept: dict[tuple[object, ...], _Form] = {}

    def filled(self, template: str, slots: Slots, given: Mapping[str, Given]) -> Part:
        """`Pages.filled`."""
        key = (template, *given.values(), *map(bool, slots.values()))
        form = self._kept.get(key) or self._keep(key, _form(self._environment, template, slots, given))
        pieces = form.between.copy()
        pieces[1::2] = [
            # Most figures and addresses have nothing to escape: a third of the time of `written`.
            value if isinstance(value, bytes) else value.encode() if _to_change(value) is None else written(value)
            for value in map(slots.__getitem__, form.names)
        ]
        return Part(b"".join(pieces))

    def _keep(self, key: tuple[object, ...], form: _Form) -> _Form:
        if len(self._kept) >= FORMS_KEPT:
            del self._kept[next(iter(self._kept))]
        self._kept[key] = form
        return form


_to_change = re.compile(f"""[&<>'"{HARMFUL_ON_A_PAGE}]""").search


def _form(environment: Environment, template: str, slots: Slots, given: Mapping[str, Given]) -> _Form:
    """Render a template with marks in place of the values that there are."""
    context: dict[str, Any] = {
        name: Markup(f"{_MARK}{name}{_MARK}") if value else ""  # noqa: S704 - no foreign text in it
        for name, value in slots.items()
    }
    parts = harmless_page(environment.get_template(template).render(context | dict(given))).split(_MARK)
    between = [part.encode() for part in parts]
    between[1::2] = [b""] * len(parts[1::2])
    return _Form(between, tuple(parts[1::2]))


def language_of(request: Request[Any, Any, Any]) -> Language:
    """The language of a request: `?lang=`, else `Accept-Language`."""
    scope = request.scope
    named = request.query_params.get("lang") if scope["query_string"] else None
    accepted = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"accept-language"), "")
    return languages.choose(named, accepted)


class _CompiledTemplates(BytecodeCache):
    """Templates compiled by this process. The code is the same in every language, so one environment compiles it."""

    def __init__(self) -> None:
        self._code: dict[tuple[str, str], CodeType] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        """Jinja asks for a template's code."""
        bucket.code = self._code.get((bucket.key, bucket.checksum))

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Jinja stores the code that it has compiled."""
        if bucket.code is not None:
            self._code[bucket.key, bucket.checksum] = bucket.code


_compiled_templates = _CompiledTemplates()


class _Environment(Environment):
    """Jinja's environment, with all globals set before the first template is loaded. So a plain dict can replace
    Jinja's ChainMap, whose keys every `import` and every context would iterate over."""

    def make_globals(self, d: MutableMapping[str, Any] | None) -> MutableMapping[str, Any]:
        """A template's globals."""
        return {**self.globals, **(d or {})}


def _environment(language: Language) -> Environment:
    environment = _Environment(
        loader=FileSystemLoader(resources.TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        cache_size=-1,  # all templates, in a plain dict
        bytecode_cache=_compiled_templates,
        extensions=["jinja2.ext.i18n"],
    )
    environment.install_gettext_translations(language, newstyle=True)  # type: ignore[attr-defined]
    environment.filters |= {"figure": figure, "exact": exact, "moment": moment}
    gettext = _cheap_gettext(language)
    environment.globals |= {
        "static_url": static_url,
        "language": language.code,
        "direction": language.direction,
        "isolate": language.isolate,
        "gettext": gettext,
        "_": gettext,
        "language_names": languages.NAMES,
        "row_markup": row_markup,
        "part": cache(partial(_part, environment)),
        "icon": cache(partial(_icon, environment)),
    }
    return environment


def _icon(environment: Environment, *given: Any, **named: Any) -> Markup:
    """The macro of all icons; its template is compiled when a page first has one."""
    drawn: Markup = environment.get_template("components/icons.html").module.icon(*given, **named)  # type: ignore[attr-defined]
    return drawn


def _part(environment: Environment, template: str, **given: Any) -> Markup:
    """A part of pages that depends on nothing but its language and what is given, which must be hashable: rendered only
    once for each."""
    return Markup(environment.get_template(template).render(given))  # noqa: S704 - the template has escaped


def _cheap_gettext(language: Language) -> Callable[..., Markup]:
    """Jinja's own "new style" `gettext`, but a sentence without parameters is made only once."""

    @cache
    def sentence(message: str) -> Markup:
        return Markup(language.gettext(message))  # noqa: S704 - the words of our translators

    @cache
    def whole(message: str) -> Markup:
        return sentence(message) % {}  # as Jinja does, so that "%%" always means "%"

    def gettext(message: str, /, **names: object) -> Markup:
        return sentence(message) % names if names else whole(message)

    return gettext


@cache
def static_url(path: str) -> str:
    """The address of a static file; it changes with the file's content. Raises FileNotFoundError."""
    digest = hashlib.sha256((resources.STATIC / path).read_bytes()).hexdigest()
    return f"/static/{path}?v={digest[:12]}"


class _StaticFiles(BaseLocalFileSystem):
    """The files of a folder. A name that no file can have (too long, below a file) counts as a missing file."""

    async def info(self, path: PathType, **kwargs: Any) -> FileInfo:
        try:
            return await super().info(path, **kwargs)
        except (OSError, ValueError):
            raise FileNotFoundError from None


def static_files() -> Router:
    """The router of `/static`."""
    return create_static_files_router(
        "/static",
        [resources.STATIC],
        file_system=_StaticFiles(),
        include_in_schema=False,
        send_as_attachment=False,
        cache_control=CacheControlHeader(max_age=STATIC_MAX_AGE_S, public=True),
        middleware=[COMPRESSED],
    )
