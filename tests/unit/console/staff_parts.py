"""Staff in the console of a test: people with roles, and accounts on which there is something to see."""

import json

from browser import HOME, Browser
from console_app import Console
from sqlalchemy import insert, select

from policy.budgets.stored import StoredBudgets
from policy.engine.budget import Distinct, Sum, Take
from policy.people.roles import Role
from policy.store.console_sessions import Visitor, open_session
from policy.store.models import Addresses, Areas, Days, Identities, Submissions
from policy.store.statements import OnConnection

XSS = "\"><script>alert(1)</script>'&{{7*7}}"
DAY_S = 86400.0


def staff(console: Console, name: str, role: Role) -> Browser:
    """A browser in which somebody new with a role is signed in, and has shown a second factor just now."""
    console.store.add_identity(name, (f"{name}@example.org",), console.now, role=role)
    with console.engine.begin() as connection:
        whose = connection.scalars(select(Identities.id).where(Identities.name == name)).one()
        cookie = open_session(connection, bytes(range(32)), whose, Visitor(HOME, "test"), console.now)
    browser = console.browser()
    browser.client.cookies.set("__Host-sallyport-session", cookie, domain="mail.example.org", path="/")
    return browser


def add_people(console: Console, number: int) -> None:
    """user000 with the address u000@example.org and the owner `O 0`, and so on."""
    with console.engine.begin() as connection:
        for one in range(number):
            values = {"name": f"user{one:03}", "owner": f"O {one}", "created_at": console.now}
            whose = connection.execute(insert(Identities).values(**values).returning(Identities.id)).scalar_one()
            connection.execute(insert(Addresses).values(address=f"u{one:03}@example.org", identity_id=whose))


def add_submission(console: Console, number: str, **values: object) -> str:
    """A decision as it is written down; ada's, accepted, from home."""
    standing = {"step": 0, "home": 0} | {name: values.pop(name) for name in ("step", "home") if name in values}
    evidence = {
        "facts": values.pop("facts", [["recipients", "3: 1 new, 0 of this server"]]),
        "stood": values.pop("stood", []),
        "signals": values.pop("signals", []),
        "observed": values.pop("observed", []),
        "standing": [standing["step"], standing["home"]],
        "place": ["198.51.100.0/24", "AS64500 NL", "settled", True],
    }
    row = {
        "id": number, "at": console.now, "session": "s1", "identity": "ada", "login": "heron-1234-vale",
        "listener": "submission", "client_address": "198.51.100.7", "client_name": "laptop",
        "reverse_path": "ada@example.org", "recipients": 3, "message_bytes": 2048, "action": "accept", "reason": "",
        "outcome": "relayed", "queue_id": "4abcDEF", "origin": "AS64500 NL", "evidence": json.dumps(evidence),
        "rulebook": "0123456789abcdef",
    }  # fmt: skip
    with console.engine.begin() as connection:
        connection.execute(insert(Submissions).values(**row | values))
    return number


def use_budgets(console: Console, name: str, recipients: int, new: int) -> None:
    """As messages do it."""
    windows = tuple(console.parts.rulebook().limits_of("person").recipients)
    new_windows = tuple(console.parts.rulebook().limits_of("person").new_recipients)
    take = Take(
        (
            Sum("recipients", f"recipients:{name}", recipients, windows),
            Distinct("new-recipients", f"new:{name}", tuple(range(new)), new_windows),
        )
    )
    with console.engine.begin() as connection:
        taken = StoredBudgets(OnConnection(connection)).reserve("r1", take, console.now)
    assert taken.fits


def add_day(console: Console, name: str, days_ago: int, messages: int) -> None:
    with console.engine.begin() as connection:
        whose = connection.scalars(select(Identities.id).where(Identities.name == name)).one()
        values = {"messages": messages, "recipients": messages * 2, "new_recipients": 1, "held": 3, "refused": 2}
        day = int(console.now // DAY_S) - days_ago
        connection.execute(insert(Days).values(identity_id=whose, day=day, unknown_recipients=0, **values))


def add_area(console: Console, name: str, area: str, days: int) -> None:
    with console.engine.begin() as connection:
        whose = connection.scalars(select(Identities.id).where(Identities.name == name)).one()
        times = {"first_used_at": console.now - days * DAY_S, "last_used_at": console.now}
        connection.execute(insert(Areas).values(identity_id=whose, area=area, days=days, **times))
