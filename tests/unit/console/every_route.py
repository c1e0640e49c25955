"""Every route of the console: for whom it is, and with which field or path it names something of somebody's.

A route that is missing here is a failure of test_console_every_route.py: whoever adds a page says for whom it is. In
fields and paths stand the names of things (`Things`) in braces.
"""

from dataclasses import asdict, dataclass

from policy.people.roles import Right

Fields = dict[str, str]
NETWORK = "192.0.2.0/24"  # one that somebody has vouched for


@dataclass(frozen=True, slots=True)
class Things:
    """Of one person: what addresses and forms name. All of it is somebody else's to the owner who tries it."""

    name: str
    login: str
    incident: str
    message: str  # the queue id of one that is on hold
    submission: str
    session: str
    factor: str
    look: str = "1"
    digest: str = "0123456789abcdef"  # of an earlier policy
    token: str = "an-invitation-that-is-none"
    network: str = NETWORK

    def put_into(self, text: str) -> str:
        return text.format(**asdict(self))


# Without a session.
EVERYBODY: dict[str, Fields] = {
    "GET /": {},
    "GET /sign-in": {},
    "POST /sign-in": {"name": "{name}", "password": "a guess of somebody's"},
    "GET /sign-in/factor": {},
    "POST /sign-in/code": {"code": "000000"},
    "POST /sign-in/passkey": {"answer": "{{}}"},
    "GET /sign-in/issuer": {},
    "GET /sign-in/issuer/back": {},
    "POST /sign-in/issuer/finish": {"code": "x", "state": "x"},
    "GET /invite/{token}": {},
    "POST /invite/{token}": {"password": "x", "again": "x"},
    "GET /invite/{token}/factor": {},
    "POST /invite/{token}/code": {"code": "000000", "label": "x"},
    "POST /invite/{token}/passkey": {"answer": "{{}}", "label": "x"},
}

# Asked by machines, with neither cookie nor form: no page of somebody's.
MACHINES: dict[str, Fields] = {
    "GET /.well-known/mta-sts.txt": {},
    "GET /mail/config-v1.1.xml": {},
    "GET /.well-known/autoconfig/mail/config-v1.1.xml": {},
    "POST /autodiscover/autodiscover.xml": {},
    "POST /Autodiscover/Autodiscover.xml": {},
    "POST /AutoDiscover/AutoDiscover.xml": {},
    "GET /health/live": {},
    "GET /health/ready": {},
}

# For who is signed in, about the own account.
OWN: dict[str, Fields] = {
    "POST /sign-out": {},
    "GET /devices": {},
    "GET /devices/new": {},
    "POST /devices/new": {"label": "x", "address": "{name}@example.org", "scope_submit": "yes", "kind": "other"},
    "POST /devices/profile": {"login": "{login}", "secret": "x", "address": "{name}@example.org"},
    "POST /devices/rename": {"login": "{login}", "label": "mine"},
    "POST /devices/revoke": {"login": "{login}", "sure": "yes"},
    "GET /networks": {},
    "POST /networks/distrust": {"network": "{network}"},
    "GET /sending": {},
    "GET /incidents": {},
    "GET /incidents/{incident}": {},
    "POST /incidents/answer": {"incident": "{incident}", "said": "no"},
    "POST /incidents/keep": {"incident": "{incident}"},
    "GET /held": {},
    "POST /held/look": {"message": "{message}", "text": "yes"},
    "GET /held/look/{look}": {},
    "POST /held/release": {"message": "{message}"},
    "POST /held/delete": {"message": "{message}"},
    "GET /account": {},
    "POST /account/sessions/end": {"session": "{session}"},
    "POST /account/sessions/end-all": {},
    "POST /account/notice-address": {"address": "elsewhere@elsewhere.example"},
    "POST /account/recovery-codes": {"current": "a guess of somebody's"},
    "POST /account/password": {"current": "a guess of somebody's", "password": "x", "again": "x"},
    "GET /account/factors/new": {},
    "POST /account/factors/code": {"code": "000000", "label": "x", "current": "a guess of somebody's"},
    "POST /account/factors/passkey": {"answer": "{{}}", "label": "x", "current": "a guess of somebody's"},
    "POST /account/factors/remove": {"factor": "{factor}", "current": "seven quiet herons over the mill"},
    "GET /confirm": {},
    "POST /confirm/code": {"code": "000000", "back": "/devices"},
    "POST /confirm/passkey": {"answer": "{{}}", "back": "/devices"},
    "GET /confirm/issuer": {},
}

_SEEN = {"seen": "open"}
_ONE = "/staff/identities/{name}"

# About others, for whose role has the right.
STAFF: dict[str, tuple[Right, Fields]] = {
    "GET /staff": (Right.SEE, {}),
    "GET /staff/live": (Right.SEE, {}),
    "GET /staff/identities": (Right.SEE, {}),
    "GET /staff/invite": (Right.CARE, {}),
    "POST /staff/invite": (Right.CARE, {"name": "eve", "owner": "Eve", "address": "eve@example.org"}),
    f"GET {_ONE}": (Right.SEE, {}),
    f"POST {_ONE}/suspend": (Right.CONTAIN, {}),
    f"POST {_ONE}/resume": (Right.DECIDE, {}),
    f"POST {_ONE}/clear": (Right.DECIDE, {}),
    f"POST {_ONE}/role": (Right.RULE, {"role": "administrator"}),
    f"POST {_ONE}/invite": (Right.CARE, {"days": "7"}),
    f"POST {_ONE}/withdraw": (Right.CARE, {}),
    f"POST {_ONE}/reset": (Right.CARE, {"days": "7", "sure": "yes"}),
    f"POST {_ONE}/notice-address": (Right.CARE, {"address": "elsewhere@elsewhere.example"}),
    f"POST {_ONE}/revoke": (Right.CARE, {"login": "{login}", "sure": "yes"}),
    f"POST {_ONE}/confirm-network": (Right.CARE, {"network": "203.0.113.0/24"}),
    f"POST {_ONE}/forget-network": (Right.CARE, {"network": "203.0.113.0/24"}),
    f"POST {_ONE}/exempt": (Right.CARE, {"country": "NL", "days": "7"}),
    f"POST {_ONE}/end-exemption": (Right.CARE, {"exemption": "1"}),
    "GET /staff/decisions": (Right.SEE, {}),
    "GET /staff/decisions/{submission}": (Right.SEE, {}),
    "GET /staff/incidents": (Right.SEE, {}),
    "GET /staff/incidents/{incident}": (Right.SEE, {}),
    "GET /staff/incidents/{incident}/progress": (Right.SEE, {}),
    "POST /staff/incidents/{incident}/contain": (Right.CONTAIN, _SEEN),
    "POST /staff/incidents/{incident}/release": (Right.DECIDE, _SEEN),
    "POST /staff/incidents/{incident}/purge": (Right.DECIDE, _SEEN),
    "POST /staff/incidents/{incident}/keep": (Right.DECIDE, _SEEN),
    "POST /staff/incidents/{incident}/answer": (Right.DECIDE, {**_SEEN, "said": "no"}),
    "POST /staff/incidents/{incident}/revoke": (Right.CARE, {**_SEEN, "login": "{login}"}),
    "POST /staff/incidents/{incident}/trust": (Right.CARE, {**_SEEN, "network": "203.0.113.0/24"}),
    "GET /staff/held": (Right.SEE, {}),
    "POST /staff/held/move": (Right.DECIDE, {"what": "release", "m-1": "{message}"}),
    "POST /staff/held/move-all": (Right.DECIDE, {"what": "release", "incident": "{incident}"}),
    "GET /staff/held/{message}": (Right.SEE, {}),
    "POST /staff/held/{message}/look": (Right.READ, {"text": "yes"}),
    "GET /staff/held/{message}/look/{look}": (Right.READ, {}),
    "GET /staff/policy": (Right.SEE, {}),
    "GET /staff/policy/earlier/{digest}": (Right.SEE, {}),
    "GET /staff/policy/edit": (Right.RULE, {}),
    "POST /staff/policy/check": (Right.RULE, {"text": "schema = 1"}),
    "POST /staff/policy/save": (Right.RULE, {"text": "schema = 1"}),
    "POST /staff/policy/discard": (Right.RULE, {}),
    "GET /staff/policy/what-if": (Right.RULE, {}),
    "POST /staff/policy/what-if": (Right.RULE, {}),
    "POST /staff/policy/what-if/cancel": (Right.RULE, {}),
}

STREAMS = frozenset({"GET /staff/live"})  # answers that do not end
EVERY = [*EVERYBODY, *MACHINES, *OWN, *STAFF]
