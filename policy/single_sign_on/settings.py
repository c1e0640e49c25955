"""What an administrator says about single sign-on to the console: POLICY_CONSOLE_OIDC_... in the environment."""

from urllib.parse import urlsplit

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings

from policy.bridges.settings import is_safe
from service.settings import OptionalPath


class SignOnSettings(BaseSettings):
    """A part of policy's settings, of which only the console reads it. Empty `console_oidc_issuer`: there is none."""

    console_oidc_issuer: str = ""
    console_oidc_name: str = Field(default="", max_length=60)
    console_oidc_client_id: str = Field(default="", pattern=r"^[ -~]*$")
    console_oidc_client_secret_file: OptionalPath = None
    console_oidc_claim: str = Field(default="email", min_length=1)
    console_oidc_acr: str = Field(default="", pattern=r"^\S*$")
    console_oidc_ca: OptionalPath = None
    console_oidc_only: bool = False

    @field_validator("console_oidc_issuer")
    @classmethod
    def _is_an_issuer_of_people(cls, given: str) -> str:
        if given and (not is_safe(given) or "?" in given or "#" in given):
            raise ValueError("it should be the https:// address of the issuer, as it stands in its tokens")
        return given

    @property
    def sign_on_name(self) -> str:
        """What the button says."""
        return self.console_oidc_name or str(urlsplit(self.console_oidc_issuer).hostname)
