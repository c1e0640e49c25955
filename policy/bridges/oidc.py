"""Whether a token is one of the issuer's and was made for us.

What can be told without a key is told first: a token that is expired, or made for somebody else, makes us ask nobody.
"""

from policy.bridges import issuer_keys, tokens
from policy.bridges.answers import Answer, Later, Right, Wrong
from policy.bridges.issuer import Issuer
from policy.bridges.settings import BridgeSettings, authorities
from policy.bridges.tokens import Expected
from service.settings import SettingError


class Oidc:
    """The bridge to one issuer."""

    def __init__(self, issuer: Issuer, expected: Expected) -> None:
        self._issuer = issuer
        self._expected = expected

    @classmethod
    def of(cls, settings: BridgeSettings) -> "Oidc":
        if not settings.oidc_audience:
            raise SettingError(
                "POLICY_OIDC_AUDIENCE", "is not set", "give the name by which the issuer's tokens call this service"
            )
        return cls(
            Issuer(settings.oidc_issuer, authorities("POLICY_OIDC_CA", settings.oidc_ca), settings.oidc_keys_kept_s),
            Expected(
                issuer=settings.oidc_issuer,
                audience=settings.oidc_audience,
                claim=settings.oidc_claim,
                scope=settings.oidc_scope,
                clients=settings.oidc_clients,
            ),
        )

    async def check(self, text: str, now: float) -> Answer:
        """Who the token is about, if all is well with it."""
        token = tokens.read(text)
        if token is None:
            return Wrong("no token")
        if fault := tokens.fault(token, self._expected, now):
            return Wrong(f"token: {fault}")
        key = await self._issuer.key(token, now)
        if isinstance(key, Later):
            return key
        if key is None or not issuer_keys.is_signed_by(token, key):
            return Wrong("token: not signed by the issuer")
        subject = tokens.subject(token, self._expected.claim)
        return Right(subject) if subject else Wrong("token: does not say who it is")

    async def close(self) -> None:
        await self._issuer.close()
