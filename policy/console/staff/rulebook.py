"""The policy in force in plain words, what rules that only observe would have done, and the earlier policies.

    rulebook.py        (you are here) /staff/policy, /staff/policy/earlier/{digest}
    rulebook_edit.py   /staff/policy/edit: check, what-if, save
    rulebook_words.py  numbers in words
    policy_desk.py     the file, drafts.py and what_if.py behind it

Everybody who may see others' accounts may see the policy; to change it is an administrator's.
"""

import contextlib
import re
from http import HTTPStatus

from starlette.responses import Response
from starlette.routing import Route

from policy.console.limit_words import windows_in_words
from policy.console.parts import Parts
from policy.console.routes import staff_route
from policy.console.staff import rulebook_edit
from policy.console.staff.rulebook_edit import POLICY
from policy.console.staff.rulebook_words import gates_in_words, limits_in_words, profile_names
from policy.console.visit import Visit
from policy.engine.rulebook import Mode, Rulebook
from policy.people.desk import Session
from policy.people.roles import Right
from policy.rulebook import PolicyFileError, parse
from policy.rulebook.at_hand import FileAtHand
from policy.rulebook.changes import changes
from policy.rulebook.making import tables_of
from policy.rulebook.model import RULES
from policy.rulebook.toml import written
from policy.store.observed import LOOKED_AT, Observed, observed_since
from policy.store.policy_book import applied_by
from policy.store.rulebooks import KeptRulebook, kept_rulebooks

_WEEK_S = 7 * 86400.0
_EARLIER = 30
_DIGEST = re.compile(r"[0-9a-f]{16}")


def routes(parts: Parts) -> list[Route]:
    return [
        staff_route(parts, "GET", POLICY, Right.SEE, show),
        staff_route(parts, "GET", f"{POLICY}/earlier/{{digest}}", Right.SEE, show_earlier),
        *rulebook_edit.routes(parts),
    ]


async def show(visit: Visit, session: Session) -> Response:
    parts = visit.parts
    rulebook, file = await visit.call(parts.rulebook), await visit.call(parts.policy_desk.file)
    kept = await visit.call(lambda: kept_rulebooks(parts.engine, limit=_EARLIER + 1))
    observed = await visit.call(observed_since, parts.engine, visit.now - _WEEK_S)
    shown: dict[str, object] = {
        "session": session,
        "rulebook": rulebook,
        "toml": written(tables_of(rulebook)),
        "in_force": next((one for one in kept if one.digest == rulebook.digest), None),
        "earlier": [one for one in kept if one.digest != rulebook.digest],
        "applied": await visit.call(applied_by, parts.engine),
        "observed": _observed(rulebook, observed),
        "looked_at": LOOKED_AT,
        "file": file,
        "file_state": _state_of(visit, file, rulebook),
        **_in_words(visit, rulebook),
    }
    return visit.page("staff/policy.html", shown)


async def show_earlier(visit: Visit, session: Session) -> Response:
    kept = await _kept(visit)
    if kept is None:
        text = visit.language.say("No policy of this number was ever in force.")
        return visit.page("message.html", {"session": session, "error": text}, HTTPStatus.NOT_FOUND)
    rulebook, found = await visit.call(visit.parts.rulebook), None
    with contextlib.suppress(PolicyFileError):  # of another version
        found = changes(rulebook, parse(kept.content, kept.digest))
    shown: dict[str, object] = {"session": session, "kept": kept, "changes": found, "rulebook": rulebook}
    shown["applied"] = (await visit.call(applied_by, visit.parts.engine)).get(kept.digest)
    return visit.page("staff/policy_earlier.html", shown)


async def _kept(visit: Visit) -> KeptRulebook | None:
    digest = visit.request.path_params["digest"]
    if not _DIGEST.fullmatch(digest):
        return None
    return next(iter(await visit.call(lambda: kept_rulebooks(visit.parts.engine, digest, limit=1))), None)


def _state_of(visit: Visit, file: FileAtHand, rulebook: Rulebook) -> str:
    """Of the file, against what is in force."""
    if visit.parts.policy_desk.is_out_of_sight(file):
        return "out-of-sight"
    if file.rulebook is None:
        return "broken"
    return "in-force" if file.rulebook.digest == rulebook.digest else "waits"


def _observed(rulebook: Rulebook, counted: list[Observed]) -> list[Observed]:
    """With the rules that observe and have met nothing."""
    met = {one.rule for one in counted}
    quiet = [rule for rule in RULES if rulebook.mode(rule) is Mode.OBSERVE and rule not in met]
    return [*counted, *(Observed(rule, 0, ()) for rule in quiet)]


def _in_words(visit: Visit, rulebook: Rulebook) -> dict[str, object]:
    modes = {mode: [rule for rule in RULES if rulebook.mode(rule) is mode] for mode in Mode}
    return {
        "profiles": profile_names(rulebook),
        "groups": limits_in_words(visit.language, rulebook),
        "gates": gates_in_words(visit.language, rulebook),
        "modes": modes,
        "host_limit": windows_in_words(visit.language, rulebook.host_new_recipients),
        "exemptions": sorted(rulebook.exemptions, key=lambda one: (one.until, one.identity)),
        "country": visit.language.country,
    }
