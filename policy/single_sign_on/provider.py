"""The issuer at which people sign in to the console: where they are sent, and what the code is worth that they bring.

Whatever is wrong with what came back is one sentence to the person, and its reason is in the log. The issuer being down
is another one: it keeps people from the console, and no mail from going.
"""

import asyncio
import base64
import json
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, urlencode

import aiohttp

from policy import log
from policy.bridges import issuer_keys, tokens
from policy.bridges.answers import Later
from policy.bridges.issuer import Issuer, IssuerFault, body_of, client, safe_url
from policy.bridges.settings import authorities
from policy.people.errors import IssuerDown, SignInRefused, Text
from policy.people.pending import Pending
from policy.single_sign_on import id_tokens
from policy.single_sign_on.errand import GOOD_FOR_S, Proofs
from policy.single_sign_on.id_tokens import ExpectedId
from policy.single_sign_on.settings import SignOnSettings
from service.settings import SettingError, read_secret

BACK = "/sign-in/issuer/back"  # what the issuer must be told as our redirect URI, behind the console's own address
_KEYS_KEPT_S = 3600.0
_ASK_TIMEOUT_S = 5.0
_MOST_AT_ONCE = 8
_LONGEST_CODE = 4096
_SCOPE = "openid profile email"
_OK, _BAD_REQUEST = 200, 400


@dataclass(frozen=True, slots=True)
class Vouched:
    """Whom the issuer vouches for, in its words, and when they signed in there; 0 where it does not say."""

    name: str
    authenticated_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """What issuer and console have agreed on. An empty `secret`: the console is a public client (PKCE alone)."""

    issuer: str
    client: str
    secret: str = field(default="", repr=False)
    redirect_uri: str
    claim: str
    acr: str = ""


class Provider:
    """One for a process. `name` is what people call it; `is_only`: nobody signs in otherwise."""

    def __init__(self, agreed: Registration, tls: ssl.SSLContext, name: str, *, is_only: bool) -> None:
        self.name = name
        self.is_only = is_only
        self._agreed = agreed
        self._tls = tls
        self._issuer = Issuer(agreed.issuer, tls, _KEYS_KEPT_S)
        self._taken: Pending[bool] = Pending(GOOD_FOR_S)  # nonces whose token has let somebody in
        self._at_once = asyncio.Semaphore(_MOST_AT_ONCE)

    async def way(self, proofs: Proofs, now: float, *, afresh: bool) -> str:
        """Where a browser is sent. `afresh`: the person has to prove again who they are, signed in there or not."""
        endpoint = self._address(await self._about(now), "authorization_endpoint")
        asked = {
            "response_type": "code",
            "client_id": self._agreed.client,
            "redirect_uri": self._agreed.redirect_uri,
            "scope": _SCOPE,
            "state": proofs.state,
            "nonce": proofs.nonce,
            "code_challenge": proofs.challenge,
            "code_challenge_method": "S256",
        }
        asked |= {"prompt": "login", "max_age": "0"} if afresh else {}
        asked |= {"acr_values": self._agreed.acr} if self._agreed.acr else {}
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(asked)}"

    async def vouched(
        self,
        code: str,
        issuer: str,
        proofs: Proofs,
        now: float,
        *,
        since: float | None,
        admit: Callable[[], None] = lambda: None,
    ) -> Vouched:
        """Whom the code is about. `issuer` is empty, or who says that it has sent the browser back (RFC 9207).

        `admit` raises where nobody may be asked any more; its turn comes when those before have been answered.
        """
        if issuer and issuer != self._agreed.issuer:
            raise _refused("the answer is another issuer's")
        if not code or len(code) > _LONGEST_CODE:
            raise _refused("there is no code")
        async with self._at_once:
            admit()
            text = await self._redeemed(code, proofs, await self._about(now))
        return await self._judged(text, proofs, now, since)

    async def close(self) -> None:
        await self._issuer.close()

    async def _judged(self, text: str, proofs: Proofs, now: float, since: float | None) -> Vouched:
        agreed, token = self._agreed, tokens.read(text)
        if token is None:
            raise _refused("the issuer gave no ID token that could be one")
        wanted = ExpectedId(issuer=agreed.issuer, client=agreed.client, nonce=proofs.nonce, acr=agreed.acr, since=since)
        if fault := id_tokens.fault(token, wanted, now):
            raise _refused(f"ID token: {fault}")
        key = await self._issuer.key(token, now)
        if isinstance(key, Later):
            raise IssuerDown
        if key is None or not issuer_keys.is_signed_by(token, key):
            raise _refused("ID token: not signed by the issuer")
        name = tokens.subject(token, agreed.claim)
        if not name:
            raise _refused(f"ID token: no {agreed.claim} that says who it is")
        if not self._taken.put_first(proofs.nonce, True, now):
            raise _refused("ID token: it has let somebody in already")
        return Vouched(name, id_tokens.authenticated_at(token, now))

    async def _redeemed(self, code: str, proofs: Proofs, about: Mapping[str, object]) -> str:
        """The ID token for a code (OpenID Connect Core section 3.1.3), not verified."""
        endpoint = self._address(about, "token_endpoint")
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": self._agreed.redirect_uri}
        form |= {"code_verifier": proofs.verifier}
        try:
            async with asyncio.timeout(_ASK_TIMEOUT_S), client(self._tls) as http:
                shown, headers = self._credentials(about)
                sending = http.post(endpoint, data=form | shown, headers=headers, allow_redirects=False)
                async with sending as answer:
                    status, said = answer.status, json.loads(await body_of(answer))
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError, RecursionError) as error:
            raise _down(str(error) if isinstance(error, IssuerFault) else type(error).__name__) from None
        said = said if isinstance(said, dict) else {}
        if status == _BAD_REQUEST and said.get("error") == "invalid_grant":
            raise _refused("the issuer does not take the code")
        if status != _OK or not isinstance(said.get("id_token"), str):
            raise _down(f"{endpoint} answers {status}")
        return str(said["id_token"])

    def _credentials(self, about: Mapping[str, object]) -> tuple[dict[str, str], dict[str, str]]:
        """How we say who we are: fields and headers. Basic is what every issuer takes that says nothing of it."""
        named, secret = {"client_id": self._agreed.client}, self._agreed.secret
        ways = about.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        if not secret:
            return named, {}
        if isinstance(ways, list) and "client_secret_basic" not in ways:
            return named | {"client_secret": secret}, {}
        # RFC 6749 section 2.3.1: both are encoded before they are put together.
        pair = f"{quote(self._agreed.client, safe='')}:{quote(secret, safe='')}"
        return {}, {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}

    async def _about(self, now: float) -> Mapping[str, object]:
        about = await self._issuer.about(now)
        if isinstance(about, Later):
            raise IssuerDown
        return about

    @staticmethod
    def _address(about: Mapping[str, object], name: str) -> str:
        try:
            return safe_url(about, name)
        except IssuerFault as error:
            raise _down(str(error)) from None


def open_provider(settings: SignOnSettings, origin: str) -> Provider | None:
    """None where there is no issuer. Nobody is asked yet: that it is down must not keep the console from starting."""
    if not settings.console_oidc_issuer:
        return None
    if not settings.console_oidc_client_id:
        raise SettingError(
            "POLICY_CONSOLE_OIDC_CLIENT_ID", "is not set", "give the client id under which the issuer knows the console"
        )
    secret = settings.console_oidc_client_secret_file
    agreed = Registration(
        issuer=settings.console_oidc_issuer,
        client=settings.console_oidc_client_id,
        secret=read_secret("POLICY_CONSOLE_OIDC_CLIENT_SECRET_FILE", secret) if secret else "",
        redirect_uri=origin + BACK,
        claim=settings.console_oidc_claim,
        acr=settings.console_oidc_acr,
    )
    tls = authorities("POLICY_CONSOLE_OIDC_CA", settings.console_oidc_ca)
    return Provider(agreed, tls, settings.sign_on_name, is_only=settings.console_oidc_only)


def _refused(why: str) -> SignInRefused:
    log.issuer_sign_in_refused(why)
    return SignInRefused(Text.ISSUER_REFUSED)


def _down(why: str) -> IssuerDown:
    log.issuer_failed(why)
    return IssuerDown()
