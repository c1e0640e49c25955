"""The settings of the gateway: GATEWAY_... in the environment, read once in __main__, then passed down."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, HttpUrl, PositiveFloat, PositiveInt, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from service.log import LogFormat

Port = Annotated[int, Field(gt=0, le=65535)]


class Settings(BaseSettings):
    """Each is documented in docs/settings.md; a test holds the two together. Durations are in seconds."""

    model_config = SettingsConfigDict(env_prefix="GATEWAY_", frozen=True, extra="forbid")

    hostname: str = Field(default="mail.sallyport.test", pattern=r"^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$")
    bind: Annotated[tuple[str, ...], NoDecode] = ("0.0.0.0", "::")  # noqa: S104 - the one part that faces the internet
    submission_port: Port = 587
    submissions_port: Port = 465
    tls_cert: Path
    tls_key: Path
    policy_url: HttpUrl
    policy_token_file: Path
    relay: str = Field(pattern=r"^[^\s:]+:[0-9]{1,5}$|^\[[0-9a-fA-F:]+\]:[0-9]{1,5}$")
    relay_connections: PositiveInt = 20
    relay_timeout_s: PositiveFloat = Field(
        default=75, le=90
    )  # with policy's below the 2 minutes of RFC 6409 section 5.3
    policy_timeout_s: PositiveFloat = Field(default=5, le=20)
    max_message_bytes: PositiveInt = 25 * 1024 * 1024
    max_sessions: PositiveInt = 1000
    max_sessions_per_network: PositiveInt = 50  # of one IPv4 address or IPv6 /64; Postfix has the same default
    handshake_timeout_s: PositiveFloat = 10
    login_timeout_s: PositiveFloat = 60  # from the greeting to a successful AUTH
    command_timeout_s: PositiveFloat = 300  # RFC 5321 section 4.5.3.2.7
    data_timeout_s: PositiveFloat = 180  # between two pieces of a message
    session_timeout_s: PositiveFloat = 3600
    drain_s: PositiveFloat = 30
    max_errors: PositiveInt = 20
    max_login_failures: PositiveInt = 3
    log_format: LogFormat = "text"

    @field_validator("bind", mode="before")
    @classmethod
    def _split(cls, given: object) -> object:
        if not isinstance(given, str):
            return given
        addresses = tuple(one.strip() for one in given.split(",") if one.strip())
        if not addresses:
            raise ValueError("it should be IP addresses, separated by commas")
        return addresses

    @property
    def relay_host(self) -> str:
        return self.relay.rpartition(":")[0].strip("[]")

    @property
    def relay_port(self) -> int:
        return int(self.relay.rpartition(":")[2])
