"""The bridges of one process: those that are set up."""

from dataclasses import dataclass

from policy.bridges.ldap import Ldap
from policy.bridges.oidc import Oidc
from policy.bridges.settings import BridgeSettings


@dataclass(frozen=True, slots=True)
class Bridges:
    """None for what is not set up."""

    oidc: Oidc | None = None
    ldap: Ldap | None = None

    async def close(self) -> None:
        if self.oidc:
            await self.oidc.close()
        if self.ldap:
            await self.ldap.close()


def open_bridges(settings: BridgeSettings) -> Bridges:
    """Connects to nobody yet: that one of them does not answer must not keep the others from logging in."""
    return Bridges(
        Oidc.of(settings) if settings.oidc_issuer else None,
        Ldap.of(settings) if settings.ldap_url else None,
    )
