"""A person's devices: each has a login and a secret of its own, so that a lost one is taken away from nobody else.

The secret stands in one answer, that of the form that made it. It is in no address, in no cookie and on no other page;
the same form sent again (a reload) is refused, because the label is taken by then. The profile for Apple devices is
made of what the page gives back in a form, so that the server has to keep the secret nowhere for it.

A device is named in forms alone: its login is half of what opens the mailbox, and a browser keeps addresses for ever.
"""

import contextlib
from collections.abc import Mapping
from http import HTTPStatus

from markupsafe import Markup
from starlette.responses import Response
from starlette.routing import Route

from policy.console.parts import Parts
from policy.console.routes import HOME, own_route
from policy.console.sending import account_state
from policy.console.staff.whereabouts import in_words
from policy.console.visit import Visit
from policy.enrolment import Device
from policy.enrolment.guides import guides
from policy.enrolment.mobileconfig import FILE_NAME, MEDIA_TYPE, mobileconfig, signed
from policy.enrolment.qr import qr_svg, thunderbird_qr
from policy.enrolment.words import Language
from policy.people.desk import Session
from policy.store.errors import LabelTaken, StoreError
from policy.store.handles import Scope
from policy.store.rows import Credential, Terms

_LONGEST_LABEL, _SHOWN = 100, 100
_SCOPES = (Scope.SUBMIT, Scope.IMAP)  # console is no device's: a stolen phone must not confirm its own misuse
# What a person has, and whose guide is shown first; the names of the guides are those of policy/enrolment/guides.py.
KINDS: Mapping[str, str] = {
    "android": "k9-fairemail",
    "apple": "apple-mail",
    "thunderbird": "thunderbird",
    "outlook": "outlook",
    "other": "",
}
_WAYS = ("steps", "code", "profile")  # the parts of the page of a new device; the steps are there for every kind
_WAY_OF: Mapping[str, str] = {"android": "code", "apple": "profile"}


def routes(parts: Parts) -> list[Route]:
    return [
        own_route(parts, "GET", HOME, show),
        own_route(parts, "GET", "/devices/new", ask),
        own_route(parts, "POST", "/devices/new", add),
        own_route(parts, "POST", "/devices/profile", profile),
        own_route(parts, "POST", "/devices/rename", rename),
        own_route(parts, "POST", "/devices/revoke", revoke),
    ]


async def show(visit: Visit, session: Session) -> Response:
    return await _list(visit, session)


async def ask(visit: Visit, session: Session) -> Response:
    return _form_page(visit, session, {})


async def add(visit: Visit, session: Session) -> Response:
    form, store = await visit.form(), visit.parts.store_of(session, visit.visitor)
    label, scopes = form.get("label", "").strip(), tuple(one for one in _SCOPES if f"scope_{one}" in form)
    if error := _what_is_wrong(visit, session, form, scopes):
        return _form_page(visit, session, form, error)
    terms = Terms(scopes=scopes)
    try:
        made = await visit.call(store.add_credential, session.identity, label, visit.now, terms, is_only_one=True)
    except LabelTaken:
        return _form_page(visit, session, form, _taken_words(visit))
    # Known from the start: the owner was here, with password and second factor (see "Day one" in docs/console.md).
    await visit.call(store.confirm_network, session.identity, visit.visitor.client_address, visit.now)
    device = _device(session, made.login, made.secret, form["address"], label)
    return _shown_once(visit, session, device, form.get("kind", ""))


async def profile(visit: Visit, session: Session) -> Response:
    form = await visit.form()
    found = await _own(visit, session, form)
    if found is None or form.get("address", "") not in _addresses(session):
        return _no_such_device(visit, session)
    device = _device(session, found.login, form.get("secret", ""), form["address"], found.label)
    name = {"Content-Disposition": f'attachment; filename="{FILE_NAME}"'}
    made = await visit.call(_signed, visit.parts, mobileconfig(visit.parts.servers, device))
    return Response(made, media_type=MEDIA_TYPE, headers=name)


async def rename(visit: Visit, session: Session) -> Response:
    form = await visit.form()
    found, label = await _own(visit, session, form), form.get("label", "").strip()
    if found is None:
        return _no_such_device(visit, session)
    if error := _what_is_wrong_with(visit, label) or await _taken(visit, session, label, but=found.login):
        return await _list(visit, session, error)
    if label != found.label:
        store = visit.parts.store_of(session, visit.visitor)
        try:
            await visit.call(store.change_credential, found.login, visit.now, label=label)
        except StoreError:  # it was revoked just now
            return _no_such_device(visit, session)
    return visit.redirect(HOME)


async def revoke(visit: Visit, session: Session) -> Response:
    """Asks first, and revokes when the form comes with the answer."""
    form = await visit.form()
    found = await _own(visit, session, form)
    if found is None:
        return _no_such_device(visit, session)
    if form.get("sure") != "yes":
        return visit.page("device_revoke.html", {"session": session, "device": found})
    with contextlib.suppress(StoreError):  # two browsers, or a second click: it is revoked, and that was wanted
        await visit.call(visit.parts.store_of(session, visit.visitor).revoke, found.login, visit.now)
    return visit.redirect(HOME)


# What is asked of the store


async def _devices(visit: Visit, session: Session) -> list[Credential]:
    store = visit.parts.store_of(session, visit.visitor)
    every = await visit.call(store.credentials, session.identity)
    return [one for one in every if one.revoked_at is None]


async def _own(visit: Visit, session: Session, form: Mapping[str, str]) -> Credential | None:
    """The device that the form names, among those of who asks: another person's is as unknown as nobody's."""
    login = form.get("login", "")
    return next((one for one in await _devices(visit, session) if one.login == login), None)


def _what_is_wrong(visit: Visit, session: Session, form: Mapping[str, str], scopes: tuple[Scope, ...]) -> str:
    label = form.get("label", "").strip()
    if form.get("address", "") not in _addresses(session):
        return visit.language.say("Choose one of your addresses.")
    if not scopes:
        return visit.language.say("Choose what the device may do: send, read, or both.")
    return _what_is_wrong_with(visit, label)


def _what_is_wrong_with(visit: Visit, label: str) -> str:
    if 0 < len(label) <= _LONGEST_LABEL and label.isprintable():
        return ""
    return visit.language.say("Give the device a name of 1 to 100 characters, for example “phone”.")


async def _taken(visit: Visit, session: Session, label: str, but: str) -> str:
    others = [one.label for one in await _devices(visit, session) if one.login != but]
    return _taken_words(visit) if label in others else ""


def _taken_words(visit: Visit) -> str:
    return visit.language.say(
        "You have a device of this name already. Its secret was shown once and cannot be shown again: "
        "if you have lost it, remove that device and add it anew."
    )


# Pages


async def _list(visit: Visit, session: Session, error: str = "") -> Response:
    every = await _devices(visit, session)
    devices = every[:_SHOWN]
    places = await visit.call(lambda: [in_words(visit, one.last_used_from or "") for one in devices])
    shown: dict[str, object] = {"session": session, "error": error, "more_devices": len(every) - len(devices)}
    shown |= {"devices": list(zip(devices, places, strict=True))}
    shown |= await account_state(visit, session)
    return visit.page("devices.html", shown, HTTPStatus.BAD_REQUEST if error else HTTPStatus.OK)


def _form_page(visit: Visit, session: Session, form: Mapping[str, str], error: str = "") -> Response:
    chosen = {
        "label": form.get("label", ""),
        "kind": form.get("kind", ""),
        "address": form.get("address", ""),
        "scopes": [one for one in _SCOPES if not form or f"scope_{one}" in form],
    }
    shown = {"session": session, "chosen": chosen, "kinds": list(KINDS), "addresses": _addresses(session)}
    return visit.page("device_new.html", {**shown, "error": error}, HTTPStatus.BAD_REQUEST if error else HTTPStatus.OK)


def _shown_once(visit: Visit, session: Session, device: Device, kind: str) -> Response:
    servers, language = visit.parts.servers, Language(visit.language.code)
    title = visit.language.say("QR code with the settings for Thunderbird on Android")
    code = Markup(qr_svg(thunderbird_qr(servers, device), title))  # noqa: S704 - our own SVG
    first = KINDS.get(kind, "")
    every = sorted(guides(servers, device, language), key=lambda guide: guide.client != first)
    shown = {"device": device, "servers": servers, "guides": every, "first": first, "qr_code": code}
    own = _WAY_OF.get(kind, _WAYS[0])
    shown["ways"] = sorted(_WAYS, key=lambda way: way != own)
    return visit.page("device_shown.html", {**shown, "session": session})


def _device(session: Session, login: str, secret: str, address: str, label: str) -> Device:
    return Device(login=login, secret=secret, address=address, display_name=session.owner, label=label)


def _signed(parts: Parts, made: bytes) -> bytes:
    """As the server whose certificate it is, so that the device says whose profile it is; unsigned it works as well."""
    try:
        return signed(made, parts.certificate.read_bytes(), parts.certificate_key.read_bytes())
    except (OSError, ValueError):
        return made


def _addresses(session: Session) -> list[str]:
    """Those that somebody can write to; an application may have a whole domain beside them."""
    return [one for one in session.addresses if not one.startswith("@")]


def _no_such_device(visit: Visit, session: Session) -> Response:
    text = visit.language.say("You have no such device, or not any more.")
    return visit.page("message.html", {"session": session, "error": text}, HTTPStatus.NOT_FOUND)
