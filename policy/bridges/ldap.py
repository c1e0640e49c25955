"""Whether an organisation's directory takes a password: a bind with the person's own name, and nothing kept of it.

Neither a yes nor a no is remembered: whoever is locked or has a new password in the directory has it here with the next
login. The directory sees each attempt; the walls against guessing stand before it (engine/guessing.py), so that
strangers cannot use us to have accounts locked there.

All of it happens within `timeout_s`, on a bounded number of connections with a bounded number of logins that wait for
them. Whatever keeps the directory from an answer is Later; Wrong is what the directory itself has said.
"""

import asyncio
import secrets
import ssl
from collections import deque
from dataclasses import dataclass, field

from policy import log
from policy.bridges.answers import Answer, Later, Right, Wrong
from policy.bridges.ldap_connection import Address, Connection, Unavailable
from policy.bridges.ldap_messages import BIND_ANSWER, ENTRY, SEARCH_DONE, SUCCESS, bind, search
from policy.bridges.ldap_pool import Pool
from policy.bridges.ldap_text import Filter, name_with, read_filter
from policy.bridges.settings import BridgeSettings, authorities
from service.settings import SettingError, read_secret

_NO_SUCH_ENTRY, _SIZE_LIMIT_EXCEEDED = 32, 4
# What RFC 4511 appendix A calls an answer about this name and this password. Locked accounts are among them: 19 and 53
# come from directories that do not say 49 for them.
_WRONG = {19, _NO_SUCH_ENTRY, 34, 48, 49, 50, 53}
_REFUSALS_KEPT = 64


@dataclass(frozen=True, slots=True)
class Search:
    """How the entry of a login is found where its name does not follow from it."""

    base: str
    filter: Filter
    service_dn: str
    service_password: str = field(repr=False)


class Ldap:
    """The bridge to one directory. `template` or `search` find an entry; neither: each credential has its DN."""

    def __init__(
        self, address: Address, tls: ssl.SSLContext, template: str, wanted: Search | None, size: int, timeout_s: float
    ) -> None:
        self._address, self._tls = address, tls
        self._template, self._search = template, wanted
        self._timeout_s = timeout_s
        self._binding = Pool(size, self._connected, _seconds)
        self._searching = Pool(size, self._connected_as_service, _seconds)
        self._refusals = deque[float](maxlen=_REFUSALS_KEPT)  # how long each took

    @classmethod
    def of(cls, settings: BridgeSettings) -> "Ldap":
        return cls(
            Address.of(settings.ldap_url),
            authorities("POLICY_LDAP_CA", settings.ldap_ca),
            settings.ldap_bind_dn,
            _search_of(settings),
            settings.ldap_connections,
            settings.ldap_timeout_s,
        )

    async def check(self, login: str, dn: str, secret: str) -> Answer:
        """Whether `secret` is the password of the entry `dn`; where that is empty, of the entry that `login` has."""
        if not secret:
            return Wrong("an empty password")  # a directory says yes to it: RFC 4513 section 5.1.2
        began = _seconds()
        try:
            async with asyncio.timeout(self._timeout_s):
                answer = await self._checked(login, dn, secret)
        except TimeoutError:
            answer = Later("no answer in time")
        except Unavailable as error:
            answer = Later(str(error))
        if isinstance(answer, Later):
            log.directory_failed(answer.why)
        elif isinstance(answer, Wrong):
            self._refusals.append(_seconds() - began)
        return answer

    async def wait_like_a_refusal(self) -> None:
        """For a refusal that the directory was not asked for: as long as one of its latest took.

        Without it, the time would tell which logins are the directory's.
        """
        if self._refusals:
            await asyncio.sleep(secrets.choice(self._refusals))

    async def close(self) -> None:
        self._binding.close()
        self._searching.close()

    async def _checked(self, login: str, dn: str, secret: str) -> Answer:
        entry = Right(dn) if dn else await self._entry(login)
        if not isinstance(entry, Right):
            return entry
        result = (await self._binding.ask(bind(entry.subject, secret)))[-1]
        if result.kind != BIND_ANSWER:
            return Later("no answer to a bind")
        if result.code == SUCCESS:
            return entry
        told = f"the directory says {result.code}"
        return Wrong(told) if result.code in _WRONG else Later(told)

    async def _entry(self, login: str) -> Answer:
        if self._template:
            return Right(name_with(self._template, login))
        if not self._search:
            return Wrong("the credential has no DN, and POLICY_LDAP_BIND_DN and POLICY_LDAP_SEARCH_BASE are empty")
        asked = search(self._search.base, self._search.filter(login), limit=2, seconds=max(1, int(self._timeout_s)))
        answers = await self._searching.ask(asked)
        result, names = answers[-1], [answer.name for answer in answers if answer.kind == ENTRY]
        if result.kind != SEARCH_DONE or result.code not in (SUCCESS, _SIZE_LIMIT_EXCEEDED):
            return Later(f"the search ended with {result.code}")
        if len(names) > 1 or result.code == _SIZE_LIMIT_EXCEEDED:
            return Wrong("more than one entry has this login")
        return Right(names[0]) if names and names[0] else Wrong("no entry has this login")

    async def _connected(self) -> Connection:
        return await Connection.open(self._address, self._tls)

    async def _connected_as_service(self) -> Connection:
        connection = await self._connected()
        if self._search and self._search.service_dn:
            try:
                await _sign_in(connection, self._search)
            except BaseException:
                connection.close()
                raise
        return connection


async def _sign_in(connection: Connection, wanted: Search) -> None:
    result = (await connection.ask(bind(wanted.service_dn, wanted.service_password)))[-1]
    if result.code != SUCCESS:
        raise Unavailable(f"the service account is refused with {result.code}")


def _search_of(settings: BridgeSettings) -> Search | None:
    if not settings.ldap_search_base:
        return None
    service, password = settings.ldap_service_dn, ""
    if service:
        if not settings.ldap_service_password_file:
            raise SettingError(
                "POLICY_LDAP_SERVICE_PASSWORD_FILE", "is not set", "name the file with the service account's password"
            )
        password = read_secret("POLICY_LDAP_SERVICE_PASSWORD_FILE", settings.ldap_service_password_file)
    return Search(settings.ldap_search_base, read_filter(settings.ldap_search_filter), service, password)


def _seconds() -> float:
    return asyncio.get_running_loop().time()
