"""The settings of the gateway: GATEWAY_... in the environment, read once in __main__, then passed down."""

import ipaddress
import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    HttpUrl,
    IPvAnyNetwork,
    PositiveFloat,
    PositiveInt,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from service.settings import LogFormat, OptionalPath, names_a_server

Port = Annotated[int, Field(gt=0, le=65535)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 - the one part that faces the internet


def _split(given: object) -> object:
    """A comma list in the environment is a tuple here."""
    if not isinstance(given, str):
        return given
    found = tuple(one.strip() for one in given.split(",") if one.strip())
    if not found:
        raise ValueError("it should be a list, separated by commas")
    return found


CommaList = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
Paths = Annotated[tuple[Path, ...], NoDecode, BeforeValidator(_split)]


# What EHLO may name; policy knows them all. The last two need an issuer of tokens: offered where somebody names them.
Mechanism = Literal["EXTERNAL", "SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "PLAIN", "LOGIN", "OAUTHBEARER", "XOAUTH2"]
_SHIPPED: tuple[Mechanism, ...] = ("EXTERNAL", "SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "PLAIN", "LOGIN")

_PORT = r"([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
_HOST_AND_PORT = rf"^[^\s:]+:{_PORT}$|^\[[0-9a-fA-F:]+\]:{_PORT}$"
_LABEL = "[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?"


def _addresses(given: tuple[str, ...]) -> tuple[str, ...]:
    try:
        for one in given:
            ipaddress.ip_address(one)
    except ValueError:
        raise ValueError("it should be addresses such as 192.0.2.1, and no names") from None
    return given


class ListenerSettings(BaseModel):
    """One listener: a port on one or more addresses, with its TLS mode and who may talk on it.

    `proxy_from`: with a network here the listener speaks the PROXY protocol, to these networks alone.
    `client_certificates` needs GATEWAY_TLS_CLIENT_CA. Limits that are left out are the gateway's own.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")
    port: Port
    tls: Literal["starttls", "implicit"]
    addresses: Annotated[tuple[str, ...], Field(min_length=1)] = EVERYWHERE
    gate: str = Field(default="default", pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")
    client_certificates: Literal["no", "optional", "required"] = "no"
    proxy_from: tuple[IPvAnyNetwork, ...] = ()
    max_message_bytes: PositiveInt | None = None
    max_recipients: PositiveInt | None = None

    @field_validator("addresses")
    @classmethod
    def _are_addresses(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        return _addresses(given)

    def trusts(self, address: str) -> bool:
        """Whether a PROXY header from `address` is believed."""
        return any(ipaddress.ip_address(address) in network for network in self.proxy_from)


class Settings(BaseSettings):
    """Each is documented in docs/settings.md; a test holds the two together. Durations are in seconds."""

    model_config = SettingsConfigDict(env_prefix="GATEWAY_", frozen=True, extra="forbid")

    hostname: str = Field(
        default="mail.sallyport.test",
        pattern=rf"^{_LABEL}(\.{_LABEL})*$",
        examples=["mail.example.org"],
    )
    # Half of the processors: the other half is policy's and the next hop's, where all run on one machine.
    workers: PositiveInt = Field(default_factory=lambda: min(max((os.cpu_count() or 1) // 2, 1), 4), le=64)

    # Listeners: the shipped ones by their ports, or a list of one's own
    bind: Annotated[CommaList, AfterValidator(_addresses)] = EVERYWHERE
    submission_port: Port = 587
    submissions_port: Port = 465
    travel_submission_port: Port | None = None
    travel_submissions_port: Port | None = None
    listeners: tuple[ListenerSettings, ...] = ()
    status_bind: str = Field(default="127.0.0.1", pattern=r"^\S+$", examples=["127.0.0.1"])
    status_port: Port = 7588

    tls_cert: Paths
    tls_key: Paths
    tls_client_ca: OptionalPath = None
    mechanisms: Annotated[tuple[Mechanism, ...], NoDecode, BeforeValidator(_split)] = _SHIPPED

    policy_url: HttpUrl
    policy_token_file: Path
    policy_timeout_s: PositiveFloat = Field(default=5, le=20)
    relay: str = Field(pattern=_HOST_AND_PORT, examples=["postfix:10025"])
    hold_relay: str = Field(
        default="", pattern=rf"^$|{_HOST_AND_PORT}", examples=["postfix:10026"]
    )  # empty: what should be held is deferred
    relay_connections: PositiveInt = 20  # of one worker
    # With policy's below the 2 minutes of RFC 6409 section 5.3
    relay_timeout_s: PositiveFloat = Field(default=75, le=90)
    scan_url: str = Field(  # empty: there is no scanner
        default="", pattern=rf"^$|^http://[^\s/]+:{_PORT}/?$", examples=["http://rspamd:11333"]
    )
    scan_timeout_s: PositiveFloat = Field(default=8, le=20)
    scan_connections: PositiveInt = 20  # of one worker
    scan_max_bytes: PositiveInt = 32 * 1024 * 1024
    spool_dir: Path = Path("/tmp")  # noqa: S108 - files without a name, see spool.py

    # Caps, over all workers
    max_sessions: PositiveInt = Field(default=1000, le=50_000)
    max_sessions_per_address: PositiveInt = 50  # one IPv4 address or IPv6 /64; Postfix has the same default
    max_sessions_per_network: PositiveInt = 200  # one IPv4 /24 or IPv6 /48
    shed_lag_s: PositiveFloat = 0.5  # how late a worker may be, twice in a row, before it turns new connections away

    # Deadlines
    handshake_timeout_s: Seconds = 10
    login_timeout_s: Seconds = 60  # from the greeting to a successful AUTH
    command_timeout_s: Seconds = 300  # RFC 5321 section 4.5.3.2.7
    data_timeout_s: Seconds = 180  # between two pieces of a message
    min_data_rate: PositiveInt = 500  # octets in a second, after data_timeout_s; Postfix: smtpd_min_data_rate
    session_timeout_s: Seconds = 3600
    drain_s: PositiveFloat = 30

    # Budgets of one session
    max_message_bytes: PositiveInt = 25 * 1024 * 1024
    max_messages: PositiveInt = 1000
    max_commands: PositiveInt = 20_000
    max_commands_before_login: PositiveInt = 50
    max_errors: PositiveInt = 20
    max_login_failures: PositiveInt = 3
    log_format: LogFormat = "text"
    otlp_url: str = Field(default="", pattern=r"^(https?://[^\s@]+)?$", examples=["http://collector:4318/v1/traces"])

    @property
    def all_listeners(self) -> tuple[ListenerSettings, ...]:
        """The list, or the shipped pair, and the travellers' pair where it has ports."""
        if self.listeners:
            return self.listeners
        shipped = (
            ("submission", self.submission_port, "starttls", "default"),
            ("submissions", self.submissions_port, "implicit", "default"),
            ("travel-submission", self.travel_submission_port, "starttls", "travel"),
            ("travel-submissions", self.travel_submissions_port, "implicit", "travel"),
        )
        return tuple(
            ListenerSettings.model_validate(
                {"name": name, "port": port, "tls": tls, "gate": gate, "addresses": self.bind}
            )
            for name, port, tls, gate in shipped
            if port
        )

    @field_validator("otlp_url")
    @classmethod
    def _can_be_reached(cls, given: str) -> str:
        if given and not names_a_server(given):
            raise ValueError("it should have a host and a port that can be, such as collector:4318 or [::1]:4318")
        return given

    @field_validator("listeners")
    @classmethod
    def _are_all_that_there_are(
        cls, given: tuple[ListenerSettings, ...], others: ValidationInfo
    ) -> tuple[ListenerSettings, ...]:
        """With a list of one's own the shipped pair is not used; travellers would miss a pair that nobody opens."""
        names = [one.name for one in given]
        if len(set(names)) < len(names):
            raise ValueError("each listener should have a name of its own")
        if given and (others.data.get("travel_submission_port") or others.data.get("travel_submissions_port")):
            raise ValueError("it should have the travellers' listeners in it, and GATEWAY_TRAVEL_... should not be set")
        return given

    @property
    def tls_pairs(self) -> tuple[tuple[Path, Path], ...]:
        """Each certificate with its key, in the order given: the first is the one without SNI."""
        return tuple(zip(self.tls_cert, self.tls_key, strict=False))


def host_and_port(given: str) -> tuple[str, int]:
    """Of a next hop: `postfix:10025`, `[2001:db8::1]:25`."""
    host, _, port = given.rpartition(":")
    return host.strip("[]"), int(port)
