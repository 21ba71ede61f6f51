"""The gallery, the front page and the documentation behind the real edge with its headers, without a database:
`granian tests.gallery.served:app`."""

import base64

from litestar import Litestar

from app.core import redis
from app.core.settings import load
from app.documentation import routes as documentation
from app.sandbox import gallery
from app.web import site
from app.web.edge import Edge
from app.web.errors import exception_handlers
from app.web.pages import Pages, static_files
from app.web.rate_limits import RateLimiter

_KEY = base64.b64encode(bytes(range(32))).decode()
_ENVIRONMENT = {
    "SWAP_PAY_ENV": "test",
    "DATABASE_URL": "postgresql://nobody@127.0.0.1/none",
    "REDIS_URL": "redis://127.0.0.1:1/0",
    "PUBLIC_URL": "http://127.0.0.1",
    "NETWORKS_FILE": __file__,
    "API_KEY_PEPPERS": f"1:{_KEY}",
    "DATA_KEYS": f"k1:{_KEY}",
    "LINK_SECRET": _KEY,
    "EMAIL_HASH_SECRET": _KEY,
    "OPERATOR_NAME": "Harbour Payments Ltd",
    "OPERATOR_URL": "https://harbour.example",
    "SECURITY_CONTACT": "mailto:security@harbour.example",
}

_pages = Pages()
_settings = load(_ENVIRONMENT)
redis.open_client(_settings.redis_url)  # nobody answers: limits are counted here
app = Edge(
    Litestar(
        [
            gallery.routes(_pages),
            *site.routes(_pages, _settings),
            *documentation.routes(_pages, RateLimiter(), _settings.public_url),
            static_files(),
        ],
        exception_handlers=exception_handlers(_pages.error),
        openapi_config=None,
        logging_config=None,
    ),
    _settings,
)
