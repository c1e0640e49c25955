"""Single decisions: looked through, and explained. What `sallyport explain` prints, as a page.

What a client calls itself, addresses and reverse-paths are strangers' words: they are shown and are never markup.
"""

import ipaddress
import re
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import urlencode

from starlette.datastructures import QueryParams
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route

from policy.console.parts import Parts
from policy.console.routes import staff_route
from policy.console.staff.bars import Bar, bars
from policy.console.staff.identities import chosen
from policy.console.staff.whereabouts import country_of_area
from policy.console.visit import Visit
from policy.contract import Action, Reason
from policy.engine.sources import network_of
from policy.people.desk import Session
from policy.people.roles import Right
from policy.store.decision_list import Found, Mark, Sought, decisions
from policy.store.evidence import Evidence, evidence_of, rounds
from policy.store.records import Record, Submission, find_submission

DECISIONS = "/staff/decisions"
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
_LONGEST = 100  # of what is sought
_MOMENT = re.compile(r"\d{1,11}(\.\d{1,9})?")


@dataclass(frozen=True, slots=True)
class Line:
    """One decision in a list, with the country in words."""

    one: Submission
    country: str


def routes(parts: Parts) -> list[Route]:
    return [
        staff_route(parts, "GET", DECISIONS, Right.SEE, show_all),
        staff_route(parts, "GET", f"{DECISIONS}/{{submission}}", Right.SEE, show),
    ]


def lines(visit: Visit, found: list[Submission]) -> list[Line]:
    """The country is the one that decided: an address may have moved since."""
    return [Line(one, country_of_area(visit, one.origin)) for one in found]


async def show_all(visit: Visit, session: Session) -> Response:
    given = visit.request.query_params
    if number := given.get("submission", "").strip():
        if not _ID.fullmatch(number):
            return _page(visit, session, given, Found([], None), visit.language.say("This is no id of a submission."))
        return visit.redirect(f"{DECISIONS}/{number}")
    sought, error = _sought(visit, given)
    if error:
        return _page(visit, session, given, Found([], None), error)
    before = _mark(given)
    found = await visit.call(lambda: decisions(visit.parts.engine, sought, before=before))
    return _page(visit, session, given, found)


async def show(visit: Visit, session: Session) -> Response:
    found = await visit.call(find_submission, visit.parts.engine, visit.request.path_params["submission"])
    if found is None:
        text = visit.language.say(
            "There is no such submission, or not any more: they are kept for some time, and of one account "
            "no more than a thousand refusals a day."
        )
        return visit.page("message.html", {"session": session, "error": text}, HTTPStatus.NOT_FOUND)
    evidence = evidence_of(found.evidence)
    refused, taken = _bars(visit, found, evidence)
    shown: dict[str, object] = {"session": session, "one": found, "evidence": evidence, "refused": refused}
    shown |= {
        "taken": taken,
        "country": country_of_area(visit, found.origin),
        "size": visit.language.octets(found.message_bytes),
    }
    return visit.page("staff/decision.html", shown)


def _bars(visit: Visit, found: Record, evidence: Evidence | None) -> tuple[list[Bar], list[Bar]]:
    """What did not fit, and what was counted in the end."""
    refused, taken = rounds(found.action, evidence.stood if evidence else ())
    return bars(refused, visit.language), bars(taken, visit.language)


def _sought(visit: Visit, given: QueryParams) -> tuple[Sought, str]:
    """And what is wrong with it. An address stands for its network."""
    say = visit.language.say
    identity, network = (given.get(field, "").strip()[:_LONGEST] for field in ("identity", "network"))
    action, reason = given.get("action", ""), given.get("reason", "")
    if (action and chosen(Action, action) is None) or (reason and chosen(Reason, reason) is None):
        raise HTTPException(HTTPStatus.BAD_REQUEST)
    if not identity.isprintable():
        raise HTTPException(HTTPStatus.BAD_REQUEST)
    if network:
        try:
            network = network_of(str(ipaddress.ip_interface(network).ip))
        except ValueError:
            return Sought(), say("Networks are addresses such as 192.0.2.7, or 192.0.2.0/24.")
    return Sought(identity=identity, action=action, reason=reason, network=network), ""


def _mark(given: QueryParams) -> Mark | None:
    """Where to go on, as our own link says; 400 for anything else."""
    if not (at := given.get("at", "")):
        return None
    number = given.get("id", "")
    if not _MOMENT.fullmatch(at) or not _ID.fullmatch(number):
        raise HTTPException(HTTPStatus.BAD_REQUEST)
    return Mark(float(at), number)


def _page(visit: Visit, session: Session, given: QueryParams, found: Found, error: str = "") -> Response:
    fields = {name: given.get(name, "")[:_LONGEST] for name in ("identity", "action", "reason", "network")}
    onward = ""
    if found.last:
        asked = {name: value for name, value in fields.items() if value}
        onward = f"{DECISIONS}?{urlencode(asked | {'at': repr(found.last.at), 'id': found.last.id})}"
    shown: dict[str, object] = {"session": session, "error": error, "lines": lines(visit, found.rows)}
    shown |= {"fields": fields, "onward": onward, "until": found.last.at if found.last else None}
    shown |= {"actions": list(Action), "reasons": list(Reason), "is_first": "at" not in given}
    return visit.page("staff/decisions.html", shown, HTTPStatus.BAD_REQUEST if error else HTTPStatus.OK)
