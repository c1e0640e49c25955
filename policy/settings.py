"""The settings of policy: POLICY_... in the environment, read once in __main__ or by the command line."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, PositiveInt, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from policy.engine.charges import Window
from service.log import LogFormat

Port = Annotated[int, Field(gt=0, le=65535)]

MINUTE_S = 60.0
HOUR_S = 60 * MINUTE_S
DAY_S = 24 * HOUR_S


class Settings(BaseSettings):
    """Each is documented in docs/settings.md; a test holds the two together."""

    model_config = SettingsConfigDict(env_prefix="POLICY_", frozen=True, extra="forbid")

    state_dir: Path = Path("/var/lib/sallyport")
    bind: str = "127.0.0.1"
    port: Port = 7587
    hostname: str = Field(default="mail.sallyport.test", pattern=r"^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$")
    domains: Annotated[tuple[str, ...], NoDecode] = ("sallyport.test",)
    gateway_token_file: Path = Path("/secrets/gateway/policy.token")
    dovecot_token_file: Path = Path("/secrets/dovecot/policy.token")
    tls_cert: Path = Path("/tls/cert.pem")
    tls_key: Path = Path("/tls/key.pem")
    recipients_per_message: PositiveInt = 100
    recipients_per_10_minutes: PositiveInt = 100
    recipients_per_hour: PositiveInt = 200
    recipients_per_day: PositiveInt = 500
    submissions_kept_days: PositiveInt = 30
    log_format: LogFormat = "text"

    @field_validator("domains", mode="before")
    @classmethod
    def _split(cls, given: object) -> object:
        """A comma list, in any letter case; at least one domain, because the administrator's address needs one."""
        if not isinstance(given, str):
            return given
        domains = tuple(one.strip().lower() for one in given.split(",") if one.strip())
        if not domains or any("." not in one or "@" in one or " " in one for one in domains):
            raise ValueError("it should be domains such as example.org, separated by commas")
        return domains

    @property
    def database(self) -> Path:
        return self.state_dir / "sallyport.db"

    @property
    def digest_key_file(self) -> Path:
        return self.state_dir / "digest.key"

    @property
    def recipient_windows(self) -> tuple[Window, ...]:
        """The budget of one identity: recipients in any ten minutes, hour and day."""
        return (
            Window(self.recipients_per_10_minutes, 10 * MINUTE_S),
            Window(self.recipients_per_hour, HOUR_S),
            Window(self.recipients_per_day, DAY_S),
        )
