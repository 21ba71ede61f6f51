"""The page that explains the words of the cabinet; each is explained in place too (components/glossary.html)."""

from typing import Any

from litestar import Response, get

from app.cabinet.cabinet import Cabinet
from app.cabinet.guard import needs
from app.identity.identity import PageRequest
from app.merchants.roles import Permission


def handlers(cabinet: Cabinet) -> list[Any]:
    """`words`."""

    @get("/words", opt=needs(Permission.VIEW))
    async def words(request: PageRequest) -> Response[Any]:
        return await cabinet.page(request, "cabinet/words.html")

    return [words]
