"""The settings of the queue agent: QUEUE_AGENT_... in the environment, read once in __main__, then passed down.

What Postfix itself is set to (its queue, its log, its users) is asked of its configuration and stands nowhere else.
"""

from pathlib import Path
from typing import Annotated

from pydantic import Field, PositiveInt, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from service.settings import LogFormat, names_a_server

Port = Annotated[int, Field(gt=0, le=65535)]


class Settings(BaseSettings):
    """Each is documented in docs/settings.md; a test holds the two together."""

    model_config = SettingsConfigDict(env_prefix="QUEUE_AGENT_", frozen=True, extra="forbid")

    bind: str = Field(default="127.0.0.1", pattern=r"^\S+$", examples=["127.0.0.1"])
    port: Port = 7589
    token_file: Path = Path("/secrets/queue/policy.token")
    policy_url: str = Field(
        default="http://127.0.0.1:7587", pattern=r"^http://[^/\s]+/?$", examples=["http://127.0.0.1:7587"]
    )
    postfix_config: Path = Path("/etc/postfix")
    state_dir: Path = Path("/var/lib/sallyport-queue")
    log_bytes: PositiveInt = 64 * 1024 * 1024
    logs_kept: PositiveInt = 3
    time_server: str = "pool.ntp.org"  # what the clock is compared with; empty: with nothing
    log_format: LogFormat = "text"

    @field_validator("policy_url")
    @classmethod
    def _can_be_reached(cls, given: str) -> str:
        if not names_a_server(given):
            raise ValueError("it should have a host and a port that can be, such as http://127.0.0.1:7587")
        return given
