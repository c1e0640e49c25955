"""The settings of the sink: SINK_... in the environment, read once in __main__, then passed down."""

from typing import Annotated

from pydantic import Field, IPvAnyAddress, PositiveInt
from pydantic_settings import BaseSettings, SettingsConfigDict

from service.settings import LogFormat

Port = Annotated[int, Field(gt=0, le=65535)]


class Settings(BaseSettings):
    """Each is documented in docs/settings.md; a test holds the two together."""

    model_config = SettingsConfigDict(env_prefix="SINK_", frozen=True, extra="ignore")

    bind: IPvAnyAddress = Field(default="127.0.0.1", validate_default=True)
    smtp_port: Port = 2525
    http_port: Port = 8025
    max_messages: PositiveInt = 10_000
    max_bytes: PositiveInt = 512 * 1024 * 1024
    log_format: LogFormat = "text"
