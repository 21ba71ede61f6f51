"""Checks of a webhook's endpoint: the form that starts one, and its results for the page of the work."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import msgspec
from litestar import Response, get

from app.cabinet.cabinet import Cabinet
from app.cabinet.context import context_of
from app.cabinet.guard import needs
from app.core.newer import Words
from app.identity.form_routes import StepUp, form_post
from app.identity.forms import Form, FormRefused
from app.identity.identity import PageRequest
from app.jobs.repository import Job
from app.merchants.roles import Permission
from app.webhooks import check_words, checking, integration_checks, service
from app.webhooks.administration import EndpointAdministration
from app.webhooks.check_words import Check

VERDICTS: Mapping[str, str] = MappingProxyType(
    Words(
        {
            "passed": "Passed",
            "warning": "Could be better",
            "failed": "Failed",
            "untold": "Says nothing",
            "not_sent": "Not sent",
        }
    )
)


class ShownCheck(msgspec.Struct, frozen=True):
    """A check with what came. `guide` is the address of what to read, where there is something to do."""

    check: Check
    verdict: str
    label: str
    came: str
    remedy: str
    guide: str

    @property
    def needs_work(self) -> bool:
        """Whether there is something to do."""
        return self.verdict in ("failed", "warning")


def handlers(cabinet: Cabinet) -> list[Any]:
    """`webhooks/{id}/check`."""
    services, identity = cabinet.services, cabinet.identity

    async def context(request: PageRequest, endpoint_id: str) -> dict[str, Any]:
        ctx = context_of(request)
        endpoint = await service.get_endpoint(ctx.merchant_id, ctx.mode, endpoint_id)
        return {"endpoint": endpoint, "checks": integration_checks.checks_of(ctx.mode)}

    @get("/webhooks/{endpoint_id:str}/check", opt=needs(Permission.WEBHOOKS_MANAGE))
    async def check_page(request: PageRequest, endpoint_id: str) -> Response[Any]:
        shown = {**await context(request, endpoint_id), "form": Form.empty()}
        return await cabinet.page(request, "cabinet/webhooks/check.html", shown)

    @form_post(
        "/webhooks/{endpoint_id:str}/check",
        does="Check an endpoint",
        step_up=StepUp.FRESH_CODE,
        opt=needs(Permission.WEBHOOKS_MANAGE),
    )
    async def check(request: PageRequest, endpoint_id: str) -> Response[Any]:
        form, ctx = await identity.read_form(request), context_of(request)
        endpoints = EndpointAdministration(ctx.member, ctx.mode, services.settings.data_keys, services.outbound)
        try:
            await identity.require_fresh_code(request, form)
            with form.catching():
                job_id = await endpoints.start_check(endpoint_id)
        except FormRefused:
            shown = await context(request, endpoint_id)
            return await cabinet.refused(request, form, "cabinet/webhooks/check.html", shown)
        return identity.redirect(request, ctx.path("work", job_id))

    return [check_page, check]


def shown_checks(job: Job) -> Sequence[ShownCheck]:
    """What a job has found so far. A check that only a newer version knows is left out."""
    return [
        ShownCheck(
            check=known,
            verdict=result.verdict,
            label=VERDICTS[result.verdict],
            came=result.came,
            remedy=known.remedy_for(result.verdict),
            guide=f"/docs/{check_words.GUIDE}#{known.section}",
        )
        for result in checking.results_of(job)
        if (known := check_words.CHECKS.get(result.check)) is not None
    ]


def conclusion(job: Job) -> tuple[str, str]:
    """What a job that is done has found as a whole, in a sentence, and its tone."""
    results = checking.results_of(job)
    if integration_checks.count(results, "failed"):
        tone = "critical"
    elif integration_checks.count(results, "warning"):
        tone = "caution"
    else:
        tone = "positive"
    return integration_checks.summary(results), tone
