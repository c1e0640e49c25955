"""What a dialog is played on: a gateway with the settings that it asks for, between a policy and a next hop.

Dialogs that ask for the same share one. A stage costs a second, so the tests are sorted by it, and there is never more
than one besides the stage that most dialogs share.
"""

import json
import ssl
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from certificates import Made, make
from harness import PLENTY, Login, Process, Sallyport, answers, free_port, policy_file, until
from notation import Dialog
from scripted import CLOSES, GREETING, MESSAGE, POSTFIX, SILENT, ScriptedNextHop, ScriptedPolicy
from wire import Wire

SENDER = "ada@sallyport.test"
_SHIPPED = ("submission", "submissions")
# By name, for `listener:`. Each has a port of its own.
_OWN_LISTENERS: Mapping[str, Mapping[str, object]] = {
    "behind-proxy": {"tls": "starttls", "proxy_from": ["127.0.0.0/8"]},
    "behind-proxy-tls": {"tls": "implicit", "proxy_from": ["127.0.0.0/8"]},
    "behind-another-proxy": {"tls": "starttls", "proxy_from": ["192.0.2.0/24"]},
    "machines": {"tls": "implicit", "client_certificates": "required"},
    "devices": {"tls": "implicit", "client_certificates": "optional"},
    "small": {"tls": "implicit", "max_message_bytes": 1000, "max_recipients": 2},
}
_DAY_S = 86400.0
_SETTINGS = ("setting", "policy setting", "policy file")

Key = tuple[str, ...]


def key_of(dialog: Dialog) -> Key:
    """What the gateway and its neighbours must be; empty for what most dialogs need."""
    key = [f"{name}: {value}" for name, value in dialog.directives if name in _SETTINGS]
    key += [f"next hop: {value}" for value in dialog.all("next hop") if "offer" in value]
    key += ["policy"] if dialog.one("policy") else []
    key += ["listeners"] if dialog.one("listener") in _OWN_LISTENERS else []
    key += [dialog.name] if any(line.kind == "A:" and "gateway" in line.text for line in dialog.lines) else []
    return tuple(sorted(key))


@dataclass
class Stage:
    """Running. `ports` has each listener's by its name."""

    sallyport: Sallyport
    next_hop: ScriptedNextHop
    holding: ScriptedNextHop  # the listener for what is held
    policy: ScriptedPolicy | None
    login: Login
    ports: dict[str, int]

    def prepare(self, dialog: Dialog) -> None:
        """The next hop and policy do what this dialog says; nobody is left over from the one before."""
        until(lambda: self.sessions() == 0, "no session is left over")
        script = dict(_scripted(value) for value in dialog.all("next hop") if "offer" not in value)
        self.next_hop.behave(script)
        self.holding.behave(dict(_scripted(value) for value in dialog.all("hold listener")))
        if any(value.startswith("stops to offer ") for value in dialog.all("next hop")):
            gone = {value.rpartition(" ")[2] for value in dialog.all("next hop")}
            self.next_hop.offers = tuple(one for one in self.next_hop.offers if one not in gone)
            self.next_hop.close_connections()
        if self.policy:
            self.policy.answers = _answers(dialog.one("policy"))

    def sessions(self) -> int:
        name, told = "sallyport_gateway_sessions_open ", self.sallyport.status("metrics")
        return int(float(next(line.removeprefix(name) for line in told.splitlines() if line.startswith(name))))

    def new_login(self) -> Login:
        """One more for ada."""
        made = json.loads(self.sallyport.cli("credential", "add", "ada", "--label", "lent", "--json"))
        return Login(made["login"], made["secret"])

    def stop(self) -> None:
        self.sallyport.gateway.stop()
        self.next_hop.stop()
        self.holding.stop()
        if self.policy:
            self.policy.stop()


def _scripted(value: str) -> tuple[str, str]:
    """`552 5.3.4 Too big at MAIL`, `silent at message`."""
    reply, _, at = value.rpartition(" at ")
    assert reply in (CLOSES, SILENT) or reply[:3].isdigit(), value
    assert at in (GREETING, MESSAGE) or at.isupper(), value
    return at, reply


def _answers(value: str) -> dict[str, str | None]:
    """`down`, `down at the message`, `answers {"action": "reject"}` (to the message), `answers {...} to connect`."""
    if value == "down":
        return {"connect": None, "login": None, "message": None}
    if value == "down at the message":
        return {"message": None}
    assert value.startswith("answers "), value
    answer, _, question = value.removeprefix("answers ").rpartition(" to ")
    if question in ("connect", "login"):
        return {question: answer}
    return {"message": value.removeprefix("answers ")}


@dataclass
class Theatre:
    """All stages. `main` holds the policy and the logins that they share."""

    folder: Path
    _stages: dict[Key, Stage] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.next_hop = ScriptedNextHop().start()
        settings = policy_file(self.folder / "main", person=PLENTY)
        self.main = Sallyport(self.folder / "main", self.next_hop.port, policy_settings=settings)
        self.main.cli("init")
        self.main.start_policy()
        self.login = self.main.new_login("ada", SENDER)
        self.authority = _made("Sallyport test authority", is_ca=True)
        self.authority.write(self.folder, "authority")
        self.certificates = {name: _made(issuer=self.authority) for name in ("machine", "stranger")}
        for name, made in self.certificates.items():
            made.write(self.folder, name)
        machine = ("credential", "add", "ada", "--label", "machine", "--certificate", str(self.folder / "machine.pem"))
        self.machine: str = json.loads(self.main.cli(*machine, "--json"))["login"]

    def stage(self, dialog: Dialog) -> Stage:
        key = key_of(dialog)
        for other in [one for one in self._stages if one and one != key]:
            self._close(other)
        if key not in self._stages:
            self._stages[key] = self._open(dialog, key)
        return self._stages[key]

    def client_tls(self, stage: Stage, certificate: str) -> ssl.SSLContext:
        context = stage.sallyport.tls()
        if certificate:
            context.load_cert_chain(self.folder / f"{certificate}.pem", self.folder / f"{certificate}.key")
        return context

    def stop(self) -> None:
        for key in list(self._stages):
            self._close(key)
        self.main.stop()
        self.next_hop.stop()

    def _close(self, key: Key) -> None:
        stage = self._stages.pop(key)
        stage.stop()
        if stage.sallyport.folder != self.main.folder:
            stage.sallyport.policy.stop()

    def _open(self, dialog: Dialog, key: Key) -> Stage:
        next_hop = ScriptedNextHop(offers=tuple(_offered(dialog.all("next hop")))).start()
        holding = ScriptedNextHop().start()
        settings, policy_settings = (_settings(dialog.all(name)) for name in ("setting", "policy setting"))
        gone = self.folder / "gone"
        gone.mkdir(exist_ok=True)
        settings = {name: value.replace("{gone}", str(gone)) for name, value in settings.items()}
        always = {"GATEWAY_WORKERS": "1", "GATEWAY_LISTENERS": "[]", "GATEWAY_HOLD_RELAY": f"127.0.0.1:{holding.port}"}
        settings = always | settings
        policy_lines = dialog.all("policy file")
        has_own_policy = bool(policy_settings or policy_lines)
        folder = self.folder / f"stage-{len(list(self.folder.iterdir()))}" if has_own_policy else self.main.folder
        if policy_lines:
            policy_settings |= policy_file(folder, "\n".join(policy_lines))
        one = Sallyport(folder, next_hop.port, policy_settings, settings)
        policy, login = None, self.login
        if has_own_policy:
            one.cli("init")
            one.start_policy()
            login = one.new_login("ada", SENDER)
        else:
            one.policy_environment = self.main.policy_environment
            one.gateway.environment["GATEWAY_POLICY_URL"] = f"http://127.0.0.1:{self.main.policy_port}"
        if "policy" in key:
            policy = ScriptedPolicy(self.main.policy_port).start()
            one.gateway.environment["GATEWAY_POLICY_URL"] = f"http://127.0.0.1:{policy.port}"
        ports = dict(zip(_SHIPPED, (one.submission_port, one.submissions_port), strict=True))
        if "listeners" in key:
            ports |= {name: free_port() for name in _OWN_LISTENERS}
            one.gateway.environment |= self._listeners(ports)
        one.gateway.log = folder / f"gateway-{one.submission_port}.log"
        stage = Stage(one, next_hop, holding, policy, login, ports)
        _start(one.gateway, (*ports.values(), one.status_port))
        gone.rmdir()
        if "GATEWAY_SHED_LAG_S" in settings:
            until(lambda: _is_shedding(one.submission_port), "the gateway knows how late it is")
        return stage

    def _listeners(self, ports: Mapping[str, int]) -> dict[str, str]:
        shipped = {name: {"tls": tls} for name, tls in zip(_SHIPPED, ("starttls", "implicit"), strict=True)}
        listeners = [
            {"name": name, "port": ports[name], "addresses": ["127.0.0.1"], **more}
            for name, more in (shipped | dict(_OWN_LISTENERS)).items()
        ]
        authority = str(self.folder / "authority.pem")
        return {"GATEWAY_LISTENERS": json.dumps(listeners), "GATEWAY_TLS_CLIENT_CA": authority}


def _settings(written: Iterable[str]) -> dict[str, str]:
    return dict(one.split("=", 1) for one in written)


def _offered(said: Iterable[str]) -> Iterable[str]:
    """What Postfix offers, and what the dialog says of it."""
    lacking = {value.removeprefix("does not offer ") for value in said}
    yield from (one for one in POSTFIX if one.partition(" ")[0] not in lacking)
    yield from (value.removeprefix("offers ") for value in said if value.startswith("offers "))
    yield from (value.removeprefix("stops to offer ") for value in said if value == "stops to offer REQUIRETLS")


def _start(gateway: Process, ports: Iterable[int]) -> None:
    gateway.start()
    until(lambda: all(answers(port) for port in ports), f"gateway answers\n{gateway.text()}")


def _is_shedding(port: int) -> bool:
    with Wire(port) as client:
        return client.line().startswith("421 ")


def _made(*names: str, is_ca: bool = False, issuer: Made | None = None) -> Made:
    now = time.time()
    return make(*names, begins=now - _DAY_S, expires=now + _DAY_S, is_ca=is_ca, issuer=issuer)
