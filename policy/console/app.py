"""What answers which path.

    pages        enrolment.py, sign_in.py, sign_on.py, devices.py, account.py, factors.py, incidents.py, held.py,
                 networks.py, sending.py, confirm.py; those about others are in staff/
    clients.py   autoconfig and autodiscover
    health.py    /health/live, /health/ready
    static/      style and script
    /api/v1      the REST API, an application of its own that takes tokens and no cookie

guard.py stands around all of it.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from policy.api.app import problem
from policy.console import (
    account,
    clients,
    confirm,
    devices,
    enrolment,
    factors,
    health,
    held,
    incidents,
    networks,
    sending,
    sign_in,
    sign_on,
)
from policy.console.guard import API, Guard, Hosts
from policy.console.language import HERE
from policy.console.parts import Parts
from policy.console.staff import decisions, identities, identity, identity_changes, incident_acts, overview, rulebook
from policy.console.staff import held as staff_held
from policy.console.staff import incidents as staff_incidents
from policy.console.visit import Visit
from policy.dkim.domains import our_domains
from policy.settings import Settings


def make_app(parts: Parts, hosts: Hosts, api: ASGIApp | None = None) -> Guard:
    """The ASGI application; `api` is mounted below /api/v1."""

    @asynccontextmanager
    async def whole_life(_: Starlette) -> AsyncIterator[None]:
        async with health.reported(parts):
            yield
        await parts.policy_desk.what_ifs.close()
        await parts.desk.close()
        if parts.sign_on:
            await parts.sign_on.close()

    async def refused(request: Request, error: Exception) -> Response:
        """A path or a method that is none, or a form that cannot be read."""
        status = error.status_code if isinstance(error, HTTPException) else HTTPStatus.INTERNAL_SERVER_ERROR
        if request.url.path.startswith(API):  # a path that no route of the API could have
            return problem(HTTPStatus(status), "there is no such path")
        visit = Visit(request, parts, parts.clock())
        text = visit.language.say("There is no such page.") if status == HTTPStatus.NOT_FOUND else ""
        text = text or visit.language.say("This request cannot be answered.")
        return visit.page("message.html", {"error": text}, status)

    pages = (
        enrolment,
        sign_in,
        sign_on,
        devices,
        account,
        factors,
        incidents,
        networks,
        held,
        sending,
        confirm,
        overview,
        clients,
        health,
        rulebook,
        identities,
        identity,
        identity_changes,
        decisions,
        staff_incidents,
        incident_acts,
        staff_held,
    )
    routes = [
        *[one for module in pages for one in module.routes(parts)],
        Mount("/static", StaticFiles(directory=HERE / "static")),
        *([Mount("/api/v1", api)] if api else []),
    ]
    handlers = {HTTPException: refused}
    return Guard(Starlette(routes=routes, exception_handlers=handlers, lifespan=whole_life), hosts)


def hosts_of(settings: Settings) -> Hosts:
    """The name of the console, and those under which mail clients look for settings."""
    console = frozenset({str(urlsplit(settings.console_origin).hostname)})
    prefixes = ("", "autoconfig.", "autodiscover.")
    setup = frozenset(prefix + domain for domain in settings.domains for prefix in prefixes)
    servers = frozenset(f"mta-sts.{domain}" for domain in our_domains(settings)) if settings.mta_sts else frozenset()
    return Hosts(console=console, setup=setup | {settings.hostname.lower()}, mta_sts=servers)
