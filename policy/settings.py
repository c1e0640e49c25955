"""The settings of policy: POLICY_... in the environment, read once in __main__ or by the command line."""

import ipaddress
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field, PositiveInt, field_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from policy.bridges.settings import BridgeSettings, CommaList
from policy.engine.sources import Network
from policy.single_sign_on.settings import SignOnSettings
from service.settings import LogFormat, OptionalPath, names_a_server

Port = Annotated[int, Field(gt=0, le=65535)]


_URL = re.compile(r"https?://[^/\s@?#]+([/?][!-~]*)?")  # without a user
_WHOLE_HOST = re.compile(r"https?://[^/\s@?#]+/?")
_LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_DOMAIN = re.compile(r"(?=.{1,253}$)([^\W_]([\w-]*[^\W_])?\.)+(?!\d+$)[^\W_]([\w-]*[^\W_])?")  # in any letters
_FULL_NAME = re.compile(rf"(?=.{{1,253}}$)({_LABEL}\.)+(?!\d+$){_LABEL}")  # of a domain or a host, no address
_IN_THE_POLICY_FILE = (
    'say it in the policy file, recipients-per-message = 100 or recipients = ["200/hour", "500/day"] below'
    " [profiles.person], and remove the setting (docs/policy-file.md)"
)


def _are_hosts(urls: tuple[str, ...]) -> tuple[str, ...]:
    for one in urls:
        if not _WHOLE_HOST.fullmatch(one) or not names_a_server(one):
            raise ValueError("it should be URLs such as http://queue-agent:7589, separated by commas")
    if len(set(urls)) < len(urls):
        raise ValueError("each URL should be there once")
    return urls


def _are_host_names(given: tuple[str, ...]) -> tuple[str, ...]:
    if not all(_FULL_NAME.fullmatch(one.removesuffix(".")) for one in given):
        raise ValueError("it should be full host names such as mx.example.org, separated by commas")
    return given


def _is_a_database(given: str) -> str:
    """Whether it is there is asked where it is opened."""
    if given and given != "none" and not given.startswith("/"):
        raise ValueError("it should be the path of a file from / on, or none")
    return given


DatabaseFile = Annotated[str, AfterValidator(_is_a_database)]
Days = Annotated[PositiveInt, Field(le=36_500)]


class Settings(SignOnSettings, BridgeSettings):
    """Each is documented in docs/settings.md; a test holds the two together."""

    model_config = SettingsConfigDict(env_prefix="POLICY_", frozen=True, extra="forbid")
    GONE: ClassVar[Mapping[str, str]] = {
        f"POLICY_RECIPIENTS_PER_{name}": _IN_THE_POLICY_FILE for name in ("MESSAGE", "10_MINUTES", "HOUR", "DAY")
    }

    state_dir: Path = Path("/var/lib/sallyport")
    digest_key_file: Path = Field(default_factory=lambda given: given["state_dir"] / "digest.key")
    database_url: str = ""  # policy/location.py reads it
    database_password_file: OptionalPath = None
    budgets_url: str = ""  # policy/budgets/location.py reads it
    budgets_password_file: OptionalPath = None
    budgets_replicas: int = Field(default=0, ge=0, le=16)
    bind: str = Field(default="127.0.0.1", pattern=r"^\S+$", examples=["127.0.0.1"])
    port: Port = 7587
    console_bind: str = Field(default="127.0.0.1", pattern=r"^\S+$", examples=["127.0.0.1"])
    console_port: Port = 8443
    console_status_bind: str = Field(default="127.0.0.1", pattern=r"^\S+$", examples=["127.0.0.1"])
    console_status_port: Port | None = None  # unset: nobody is told
    console_url: str = Field(default="", pattern=r"^(https://[^/\s?#@]+/?)?$", examples=["https://console.example.org"])
    hibp_url: str = Field(default="", pattern=r"^(https?://\S+)?$", examples=["https://api.pwnedpasswords.com/range"])
    hostname: str = Field(
        default="mail.sallyport.test",
        max_length=253,
        pattern=rf"^{_LABEL}(\.{_LABEL})*$",
        examples=["mail.example.org"],
    )
    domains: Annotated[tuple[str, ...], NoDecode] = ("sallyport.test",)
    gateway_token_file: Path = Path("/secrets/gateway/policy.token")
    dovecot_token_file: Path = Path("/secrets/dovecot/policy.token")
    doveadm_url: str = Field(default="", pattern=r"^(https?://[^/\s]+/?)?$", examples=["http://dovecot:8080"])
    complaints_mailbox: str = Field(default="", pattern=r"^[a-z0-9._-]*$", examples=["abuse"])
    queue_url: Annotated[CommaList, AfterValidator(_are_hosts)] = ()  # one for each Postfix
    queue_token_file: OptionalPath = None
    tls_cert: Path = Path("/tls/cert.pem")
    tls_key: Path = Path("/tls/key.pem")
    public_submission_port: Port = 587
    public_submissions_port: Port = 465
    public_imaps_port: Port = 993
    file: OptionalPath = None  # the policy file
    dkim_dir: OptionalPath = None
    mx: Annotated[CommaList, AfterValidator(_are_host_names)] = ()  # hosts, the first one preferred
    mta_sts: Literal["", "testing", "enforce"] = ""
    delegation_listen: CommaList = ()  # policy/delegation/listening.py reads it
    delegation_unknown: Literal["refuse", "add"] = "refuse"
    auth_policy_token_file: OptionalPath = None
    geo_country_db: DatabaseFile = ""  # policy/geo/opened.py reads the two
    geo_asn_db: DatabaseFile = ""
    submissions_kept_days: Days = 30
    client_addresses_kept_days: Days = 30
    unwalled_networks: Annotated[tuple[Network, ...], NoDecode] = ()
    alert_relay: str = Field(
        default="", pattern=r"^(([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5})?$", examples=["postfix:10025"]
    )
    alert_to: str = Field(default="", pattern=r"^([!-;=?A-~]+@[A-Za-z0-9.-]+)?$", examples=["admin@example.org"])
    alert_webhooks: CommaList = ()  # policy/alerting/opened.py reads the three
    alert_webhook_secret_file: OptionalPath = None
    alert_apprise_file: OptionalPath = None
    log_format: LogFormat = "text"
    otlp_url: str = Field(default="", pattern=r"^(https?://[^\s@]+)?$", examples=["http://collector:4318/v1/traces"])

    @field_validator("console_url", "hibp_url", "doveadm_url", "alert_relay", "otlp_url")
    @classmethod
    def _can_be_reached(cls, given: str) -> str:
        if given and not names_a_server(given if "//" in given else f"//{given}"):
            raise ValueError("it should have a host and a port that can be, such as example.org:8080 or [::1]:8080")
        return given

    @field_validator("unwalled_networks", mode="before")
    @classmethod
    def _networks(cls, given: object) -> object:
        if not isinstance(given, str):
            return given
        try:
            return tuple(ipaddress.ip_network(one.strip()) for one in given.split(",") if one.strip())
        except ValueError:
            raise ValueError("it should be networks such as 192.0.2.0/24, separated by commas") from None

    @field_validator("alert_webhooks")
    @classmethod
    def _urls(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        if not all(_URL.fullmatch(one) and names_a_server(one) for one in given):
            raise ValueError("it should be URLs such as https://example.org/hook, separated by commas")
        return given

    @field_validator("domains", mode="before")
    @classmethod
    def _split(cls, given: object) -> object:
        """A comma list, in any letter case; at least one domain, because the administrator's address needs one."""
        if not isinstance(given, str):
            return given
        domains = tuple(one.strip().lower() for one in given.split(",") if one.strip())
        if not domains or not all(_DOMAIN.fullmatch(one) for one in domains):
            raise ValueError("it should be domains such as example.org, separated by commas")
        return domains

    @property
    def console_origin(self) -> str:
        """As browsers write it: in lower case, without the port that is https's own."""
        return (self.console_url or f"https://{self.hostname}:8443").lower().rstrip("/").removesuffix(":443")

    def invite_url(self, token: str) -> str:
        """The link of an invitation; policy/console/enrolment.py answers it."""
        return f"{self.console_origin}/invite/{token}"

    @property
    def digest_key_setting(self) -> str:
        """Which one says where the key is."""
        return "POLICY_STATE_DIR" if self.digest_key_file.parent == self.state_dir else "POLICY_DIGEST_KEY_FILE"

    @property
    def auth_policy_token(self) -> Path:
        return self.auth_policy_token_file or self.state_dir / "auth-policy.token"

    @property
    def queue_token(self) -> Path:
        return self.queue_token_file or self.state_dir / "queue.token"

    @property
    def mx_hosts(self) -> tuple[str, ...]:
        """In lower case, without a dot at the end."""
        return tuple(host.lower().removesuffix(".") for host in self.mx)

    @property
    def dkim_folder(self) -> Path:
        return self.dkim_dir or self.state_dir / "dkim"

    @property
    def alert_webhook_secret(self) -> Path:
        return self.alert_webhook_secret_file or self.state_dir / "alert-webhook.secret"

    @property
    def policy_file(self) -> Path:
        """It need not be there."""
        return self.file or self.state_dir / "policy.toml"
