"""What each kind of claim is about, and how it is proven: a table, PROOFS.

    claim             credential found by       proven by                                wrong ones told apart by
    SecretClaim       its login                 its digest, its foreign hash, or LDAP    the secret
    ScramClaim        its login                 the proof, with the keys of the login    the network it comes from
    CertificateClaim  the fingerprint           the TLS handshake                        - (not counted)
    TokenClaim        who it is to the issuer   the issuer's signature                   - (not counted)

Two wrong proofs of SCRAM cannot be compared: RFC 5802 section 3 signs both nonces with the key of the wrong secret,
which is known to the client alone. Only generated secrets have keys of SCRAM, and 130 bits are nothing to guess; so one
network counts as one wrong secret, and a device with an old secret does not climb. Nor are certificates and tokens.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from policy import sasl
from policy.bridges.answers import Later, Right, Wrong
from policy.bridges.opened import Bridges
from policy.contract import canonical_login
from policy.foreign import ForeignSecrets, Full
from policy.store.directory import Directory, Found
from policy.store.habits import Looks
from policy.store.handles import Kind

WRONG = "no such login or wrong secret"

# Secrets that are made here: who has a revoked one and is not its owner is a thief. A token, or a password of the
# directory, is its owner's as before.
MADE_HERE = frozenset({Kind.SECRET, Kind.CERTIFICATE, Kind.MIGRATED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """Where a claim comes from, and what for."""

    session: str
    exchange: str  # see LoginStep
    client_address: str
    network: str  # of that address
    mechanism: str  # for the log
    protocol: str  # submission or imap
    scope: str
    now: float
    gate: str = "default"  # of the listener, by its name in the policy
    client_name: str = ""  # the EHLO argument
    tls_fingerprint: str = ""

    @property
    def looks(self) -> Looks:
        """Of the client. Over IMAP nothing of it is known."""
        mechanism = self.mechanism if self.protocol == "submission" else ""
        return Looks(self.client_name, mechanism, self.tls_fingerprint)


@dataclass(frozen=True, slots=True)
class Proven:
    """It is true. `verifier` is what the client has to see first (SCRAM), and no yes yet."""

    verifier: bytes | None = None


@dataclass(frozen=True, slots=True)
class GoOn:
    """There is nothing to look at yet: a challenge."""

    challenge: bytes


Proof = Proven | GoOn | Wrong | Later | Full


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A claim, and the credential that it is about, before anybody has looked whether it is true."""

    found: Found | None
    prove: Callable[[], Awaitable[Proof]]
    login: str = ""  # as it was typed
    is_counted: bool = False  # a wrong one is a guess
    secret: bytes = field(default=b"", repr=False)  # what stands for it when distinct ones are counted
    digest: bytes = field(default=b"", repr=False)  # of a secret: what retired ones are compared with
    slow: str | None = None  # the kind of secret that takes its time, empty where it is none of them; see wait below
    failure: bytes = b""  # a challenge that comes before the refusal (RFC 7628 section 3.2.3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prover:
    """What claims are proven with."""

    directory: Directory
    bridges: Bridges
    foreign: ForeignSecrets

    async def case(self, claim: sasl.Claim, visit: Visit) -> Case:
        return await PROOFS[type(claim)](self, claim, visit)

    async def wait_like_a_refusal(self, case: Case) -> None:
        """A wrong secret takes as long as it would have taken with each slow kind that it was not compared with."""
        if case.slow is None:
            return
        if case.slow != Kind.LDAP and self.bridges.ldap:
            await self.bridges.ldap.wait_like_a_refusal()
        if case.slow != Kind.MIGRATED:
            await self.foreign.wait_like_a_refusal()

    async def close(self) -> None:
        self.foreign.close()
        await self.bridges.close()

    async def _secret(self, claim: sasl.SecretClaim, visit: Visit) -> Case:
        found = await self.directory.by_login(claim.login, visit.network)
        digest = self.directory.digest(claim.secret)
        is_right = self.directory.is_secret_of(found, digest)
        slow = found.kind if found and found.kind in (Kind.MIGRATED, Kind.LDAP) else ""

        async def prove() -> Proof:
            if found and slow == Kind.MIGRATED:
                return _proof(await self.foreign.check(found.password or "", claim.secret))
            if found and slow == Kind.LDAP:
                ldap, dn = self.bridges.ldap, found.subject or ""
                return _proof(await ldap.check(found.login, dn, claim.secret) if ldap else Wrong("no LDAP is set up"))
            return Proven() if is_right else Wrong(WRONG)

        return Case(
            found=found,
            prove=prove,
            login=claim.login,
            is_counted=True,
            secret=claim.secret.encode(errors="surrogatepass"),
            digest=digest,
            slow=slow,
        )

    async def _scram(self, claim: sasl.ScramClaim, visit: Visit) -> Case:
        found = await self.directory.by_login(claim.login, visit.network)
        nonce = self.directory.nonce(visit.exchange, claim.first.header + claim.first.bare)
        said = claim.answer(self.directory.scram_keys(found, claim.login), nonce)

        async def prove() -> Proof:
            if isinstance(said, sasl.Refused):
                return Wrong(said.why)
            challenge = said.octets if isinstance(said, sasl.Challenge) else None
            return GoOn(challenge) if challenge and not claim.final else Proven(challenge)

        secret = b"SCRAM from " + visit.network.encode()
        return Case(found=found, prove=prove, login=claim.login, is_counted=True, secret=secret)

    async def _certificate(self, claim: sasl.CertificateClaim, visit: Visit) -> Case:
        found = await self.directory.by_certificate(claim.fingerprint, visit.network)

        async def prove() -> Proof:
            is_right = found and canonical_login(claim.login) in ("", found.login)
            return Proven() if is_right else Wrong("no such certificate, or login")

        return Case(found=found, prove=prove, login=claim.login)

    async def _token(self, claim: sasl.TokenClaim, visit: Visit) -> Case:
        """The token comes first here: only it says whom the claim is about."""
        oidc = self.bridges.oidc
        answer = await oidc.check(claim.token, visit.now) if oidc else Wrong("no issuer is set up")
        found = await self.directory.by_subject(answer.subject, visit.network) if isinstance(answer, Right) else None

        async def prove() -> Proof:
            if not isinstance(answer, Right):
                return answer
            is_right = found and canonical_login(claim.login) in ("", found.login)
            return Proven() if is_right else Wrong("a token of nobody here")

        return Case(found=found, prove=prove, login=claim.login, failure=claim.failure)


# The claim is of the type beside which its method stands.
PROOFS: Mapping[type, Callable[[Prover, Any, Visit], Awaitable[Case]]] = {
    sasl.SecretClaim: Prover._secret,  # noqa: SLF001 - the table of this class
    sasl.ScramClaim: Prover._scram,  # noqa: SLF001
    sasl.CertificateClaim: Prover._certificate,  # noqa: SLF001
    sasl.TokenClaim: Prover._token,  # noqa: SLF001
}


def _proof(answer: Right | Wrong | Later | Full) -> Proof:
    return Proven() if isinstance(answer, Right) else answer
