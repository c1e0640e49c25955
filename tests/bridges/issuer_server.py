"""An OIDC issuer for tests, over TLS on loopback: discovery, keys that change while it runs, and a token endpoint.

It also signs people in with a browser (authorization code flow): whoever asks is `visitor`, without a page.

Its signatures are made by another library than the one that policy verifies them with, so that each finds the other's
faults. It can be as bad as a real one: down, slow, a page in HTML, too long, a redirection.
"""

import base64
import hashlib
import json
import secrets
import socket
import ssl
import threading
import time
import warnings
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit

from certificates import make
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OKPKey, RSAKey

AUDIENCE = "https://mail.example.org"
DISCOVERY, KEYS, TOKEN = "/.well-known/openid-configuration", "/keys", "/token"
AUTHORIZE = "/authorize"
CLIENT, CLIENT_SECRET = "console & more", "s3cret: with % and +"
_DAY_S = 86400.0
Key = RSAKey | ECKey | OKPKey

_RSA_2048 = RSAKey.generate_key(2048, {"kid": "rsa"})  # slow to make, so made once


def new_key(algorithm: str, kid: str) -> Key:
    named = {"kid": kid, "use": "sig", "alg": algorithm}
    if algorithm.startswith("ES"):
        return ECKey.generate_key("P-256", named)
    if algorithm == "EdDSA":
        return OKPKey.generate_key("Ed25519", named)
    if kid == "rsa":
        return RSAKey.import_key(_RSA_2048.as_dict(private=True), named)
    return RSAKey.generate_key(2048, named)


class Issuer:
    """`behaviour` is what it does to the paths of its documents; `asked` counts requests by path."""

    def __init__(self, folder: Path, host: str = "localhost") -> None:
        now = time.time()
        made = make("localhost", begins=now - _DAY_S, expires=now + _DAY_S)
        cert, key = made.write(folder, "issuer")
        self.ca = cert
        self.behaviour: dict[str, str] = {}
        self.asked: Counter[str] = Counter()
        self.keys: list[Key] = [new_key("RS256", "rsa")]
        self.released = threading.Event()
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(cert, key)
        self._server = _Server(self, context)
        self.port: int = self._server.server_address[1]
        self.url = f"https://{host}:{self.port}"
        self.visitor: dict[str, object] = {}  # claims of who signs in next
        self.signed_in_at: float | None = None  # at the issuer, where that was before
        self.codes: dict[str, dict[str, str]] = {}  # what was asked for when a code was given
        self.clock = time.time
        self.documents: dict[str, Any] = {}
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    def start(self) -> "Issuer":
        self._thread.start()
        return self

    def stop(self) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def rotate(self, algorithm: str, kid: str) -> Key:
        """From now on tokens are signed with a new key, and the old ones are gone."""
        self.keys = [new_key(algorithm, kid)]
        return self.keys[0]

    def claims(self, now: float, **changed: object) -> dict[str, Any]:
        """Those of a good access token; None takes one away."""
        good = {
            "iss": self.url,
            "aud": AUDIENCE,
            "sub": "248289761001",
            "client_id": "mail-program",
            "scope": "openid mail",
            "iat": int(now),
            "exp": int(now) + 300,
            "jti": "1",
        }
        return {name: value for name, value in (good | changed).items() if value is not None}

    def token(self, now: float, header: dict[str, Any] | None = None, key: Key | None = None, **claims: object) -> str:
        """Signed with the newest key, unless with `key`."""
        key = key or self.keys[-1]
        algorithm = str(key.as_dict().get("alg", "RS256"))
        head = {"alg": algorithm, "kid": key.kid, "typ": "at+jwt"} | (header or {})
        head = {name: value for name, value in head.items() if value is not None}
        if head["alg"] != "EdDSA":
            return jwt.encode(head, self.claims(now, **claims), key, algorithms=[head["alg"]])
        with warnings.catch_warnings(action="ignore"):  # RFC 9864 would rather have it called Ed25519
            return jwt.encode(head, self.claims(now, **claims), key, algorithms=["EdDSA"])

    def document(self, path: str) -> bytes:
        documents = {
            DISCOVERY: {
                "issuer": self.url,
                "jwks_uri": self.url + KEYS,
                "token_endpoint": self.url + TOKEN,
                "authorization_endpoint": self.url + AUTHORIZE,
            },
            KEYS: KeySet(self.keys).as_dict(private=False),
        }
        return json.dumps((documents | self.documents)[path]).encode()

    # People who sign in with a browser

    def authorized(self, query: str) -> str:
        """Where the browser goes back to, with a code (RFC 6749 section 4.1.2)."""
        asked = {name: values[0] for name, values in parse_qs(query).items()}
        assert (asked["response_type"], asked["client_id"]) == ("code", CLIENT)
        assert "openid" in asked["scope"].split()
        code = secrets.token_urlsafe(16)
        self.codes[code] = asked
        given = {"code": code, "state": asked["state"], "iss": self.url}
        return f"{asked['redirect_uri']}?{urlencode(given)}"

    def id_token(self, asked: dict[str, str], **claims: object) -> str:
        now = self.clock()
        afresh = "max_age" in asked or self.signed_in_at is None
        said = {"aud": CLIENT, "client_id": None, "scope": None, "nonce": asked["nonce"]}
        said |= {"auth_time": int(now if afresh else self.signed_in_at or 0)}
        return self.token(now, {"typ": "JWT"}, **(said | self.visitor | claims))

    def redeemed(self, form: dict[str, str], authorization: str) -> tuple[int, dict[str, object]]:
        """RFC 6749 section 4.1.3, RFC 7636 section 4.6: each code serves once, and only who has asked for it."""
        pair = base64.b64encode(f"{quote(CLIENT, safe='')}:{quote(CLIENT_SECRET, safe='')}".encode()).decode()
        if authorization != f"Basic {pair}":
            return 401, {"error": "invalid_client"}
        asked = self.codes.pop(form["code"], None)
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        if not asked or asked["redirect_uri"] != form["redirect_uri"] or asked["code_challenge"] != challenge:
            return 400, {"error": "invalid_grant"}
        return 200, {"access_token": "opaque", "token_type": "Bearer", "id_token": self.id_token(asked)}


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, issuer: Issuer, tls: ssl.SSLContext) -> None:
        self.issuer, self._tls = issuer, tls
        super().__init__(("127.0.0.1", 0), _Handler)

    def finish_request(self, request: Any, client_address: Any) -> None:
        """The handshake in the connection's own thread: a client that hangs holds up nobody."""
        with self._tls.wrap_socket(request, server_side=True) as secured:
            super().finish_request(secured, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is none of ours."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        issuer = self.server.issuer
        issuer.asked[self.path] += 1
        if self.path.startswith(AUTHORIZE + "?"):
            self._answer(302, b"", location=issuer.authorized(urlsplit(self.path).query))
            return
        behaviour = issuer.behaviour.get(self.path, "")
        if behaviour == "slow":
            issuer.released.wait(20)
        elif behaviour == "closes":
            self.connection.shutdown(socket.SHUT_RDWR)
        elif behaviour == "down":
            self._answer(503, b"")
        elif behaviour == "html":
            self._answer(200, b"<html>Sign in to the network</html>", "text/html")
        elif behaviour == "too long":
            self._answer(200, b'{"keys": [' + b" " * 1_000_000)
        elif behaviour == "redirects":
            self._answer(302, b"", location=issuer.url + "/elsewhere")
        elif behaviour.startswith(("{", "[")):
            self._answer(200, behaviour.encode())
        else:
            self._answer(200, issuer.document(self.path))

    def do_POST(self) -> None:
        """RFC 6749 section 4.4: a client asks for a token with what it knows; here everybody is believed."""
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        behaviour = self.server.issuer.behaviour.get(self.path, "")
        if behaviour:
            self._answer(503 if behaviour == "down" else 200, behaviour.encode())
            return
        if form.get("grant_type") == ["authorization_code"]:
            given = {name: values[0] for name, values in form.items()}
            status, said = self.server.issuer.redeemed(given, self.headers.get("Authorization", ""))
            self._answer(status, json.dumps(said).encode())
            return
        if self.path != TOKEN or form.get("grant_type") != ["client_credentials"]:
            self._answer(400, b'{"error": "unsupported_grant_type"}')
            return
        token = self.server.issuer.token(time.time(), client_id=form["client_id"][0])
        self._answer(200, json.dumps({"access_token": token, "token_type": "Bearer", "expires_in": 300}).encode())

    def log_message(self, *args: object) -> None:
        """Nothing: the test says what went wrong."""

    def _answer(self, status: int, body: bytes, kind: str = "application/json", location: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        if location:
            self.send_header("Location", location)
        self.end_headers()
        self.wfile.write(body)
