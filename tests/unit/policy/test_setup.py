"""The first start in a folder of its own: everything once, nothing twice, and a sentence where it cannot be done."""

import stat
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from policy.certificate import fingerprint, new_key, self_signed
from policy.location import location
from policy.opening import open_store
from policy.settings import Settings
from policy.setup import init
from policy.store.database import open_database
from service.settings import SettingError

T = 1_750_000_000.0  # any moment
EVERYTHING = [
    "digest key",
    "token of the gateway",
    "token of Dovecot",
    "token of the queue agent",
    "token of the auth-policy API",
    "self-signed certificate",
    "administrator",
    "DKIM keys of example.org",
    "DKIM keys of example.net",
]
FILES = [
    # what it shows, field of Settings, its setting, where
    ("digest key", "digest_key_file", "POLICY_STATE_DIR", "state/digest.key"),
    ("token of the gateway", "gateway_token_file", "POLICY_GATEWAY_TOKEN_FILE", "gateway/policy.token"),
    ("token of Dovecot", "dovecot_token_file", "POLICY_DOVECOT_TOKEN_FILE", "dovecot/policy.token"),
    ("token of the queue agent", "queue_token", "POLICY_QUEUE_TOKEN_FILE", "queue/policy.token"),
    ("token of the auth-policy API", "auth_policy_token", "POLICY_AUTH_POLICY_TOKEN_FILE", "others/policy.token"),
    ("certificate", "tls_cert", "POLICY_TLS_CERT", "tls/cert.pem"),
    ("key of the certificate", "tls_key", "POLICY_TLS_KEY", "private/key.pem"),
]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Every file in a folder of its own, none of which exists."""
    return Settings(
        state_dir=tmp_path / "state",
        gateway_token_file=tmp_path / "gateway" / "policy.token",
        dovecot_token_file=tmp_path / "dovecot" / "policy.token",
        queue_token_file=tmp_path / "queue" / "policy.token",
        auth_policy_token_file=tmp_path / "others" / "policy.token",
        tls_cert=tmp_path / "tls" / "cert.pem",
        tls_key=tmp_path / "private" / "key.pem",
        hostname="mail.example.org",
        domains=("example.org", "example.net"),
    )


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below the folder with its octets."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def matches_key(certificate: bytes, key: bytes) -> bool:
    """Whether a PEM certificate is for the public half of a PEM key."""
    encoding = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    public = x509.load_pem_x509_certificate(certificate).public_key()
    private = serialization.load_pem_private_key(key, None)
    return public.public_bytes(*encoding) == private.public_key().public_bytes(*encoding)


def test_everything_is_made_once(tmp_path: Path, settings: Settings) -> None:
    """The first start makes all of it and leaves no draft; the second one changes not one octet."""
    assert init(settings, T) == EVERYTHING
    made = contents(tmp_path)
    keys = {name for name in made if name.startswith("state/dkim/") and name.endswith(".key")}
    assert len(keys) == 4  # RSA and Ed25519 for each domain
    dkim = {f"state/dkim/{name}" for name in ("keys.map", "state.json", ".lock")}
    assert set(made) == {case[3] for case in FILES} | {"state/sallyport.db"} | dkim | keys
    assert init(settings, T + 1000) == []
    assert contents(tmp_path) == made


MOVED = ("example.com", "example.org")


@pytest.mark.parametrize(
    ("alert_to", "made", "owner"),
    [
        ("", ["postmaster@example.com of the administrator", "DKIM keys of example.com"], "administrator"),
        ("eve@example.net", ["DKIM keys of example.com"], None),
    ],
    ids=["alerts go to the postmaster", "alerts go to somebody else"],
)
def test_the_first_domain_is_another_one(settings: Settings, alert_to: str, made: list[str], owner: str | None) -> None:
    """Alerts go to the first domain's postmaster; if that is nobody they come back, and nobody reads them."""
    init(settings, T)
    moved = settings.model_copy(update={"domains": MOVED, "alert_to": alert_to})
    assert init(moved, T + 1000) == made
    assert open_store(moved, open_database(location(moved))).owner_of("postmaster@example.com") == owner
    assert init(moved, T + 2000) == []


def test_a_postmaster_who_is_somebody_stays(settings: Settings) -> None:
    """What is there is never touched."""
    init(settings, T)
    moved = settings.model_copy(update={"domains": MOVED})
    store = open_store(moved, open_database(location(moved)))
    store.add_identity("ada", ("postmaster@example.com",), T)
    assert init(moved, T + 1000) == ["DKIM keys of example.com"]
    assert store.owner_of("postmaster@example.com") == "ada"


def test_nobody_else_can_read_what_was_made(tmp_path: Path, settings: Settings) -> None:
    """Mode 0600, whatever the umask of the caller is."""
    init(settings, T)
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.rglob("*") if path.is_file()}
    assert set(modes.values()) == {0o600}, modes


def test_secrets_differ(settings: Settings) -> None:
    """32 octets of chance each: the gateway's token is not Dovecot's, and neither is the digest key."""
    init(settings, T)
    files = [getattr(settings, field) for _, field, _, _ in FILES[:4]]
    made = [path.read_text().strip() for path in files]
    assert [len(bytes.fromhex(one)) for one in made] == [32] * 4
    assert len(set(made)) == 4


@pytest.mark.parametrize(("what", "field"), [(c[0], c[1]) for c in FILES[:4]], ids=[c[0] for c in FILES[:4]])
def test_only_what_is_missing_is_made(tmp_path: Path, settings: Settings, what: str, field: str) -> None:
    """One lost file is made anew; the others stay what they are."""
    init(settings, T)
    before = contents(tmp_path)
    missing: Path = getattr(settings, field)
    missing.unlink()
    assert init(settings, T) == [what]
    after = contents(tmp_path)
    lost = str(missing.relative_to(tmp_path))
    assert after.pop(lost) != before.pop(lost)
    assert after == before


def test_a_start_that_was_cut_off_between_key_and_certificate_is_repeated(settings: Settings) -> None:
    """The key is written first; the next start must end with a pair that fits, or no service ever starts."""
    init(settings, T)
    settings.tls_cert.unlink()
    init(settings, T)
    assert settings.tls_cert.exists()
    assert matches_key(settings.tls_cert.read_bytes(), settings.tls_key.read_bytes())


def test_a_real_certificate_is_left_alone(settings: Settings) -> None:
    """What the operator put there is what is used."""
    for path in (settings.tls_cert, settings.tls_key):
        path.parent.mkdir()
        path.write_text("the operator's")
    assert "self-signed certificate" not in init(settings, T)
    assert settings.tls_cert.read_text() == settings.tls_key.read_text() == "the operator's"


def names_in(certificate: Path) -> list[str]:
    found = x509.load_pem_x509_certificate(certificate.read_bytes())
    return found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(x509.DNSName)


def test_the_host_has_another_name(settings: Settings) -> None:
    """Our own certificate is made anew for it, with the key that TLSA records name; once, and said."""
    init(settings, T)
    key = settings.tls_key.read_bytes()
    settings.tls_cert.chmod(0o644)
    renamed = settings.model_copy(update={"hostname": "smtp.example.org"})
    assert init(renamed, T + 1000) == [
        "self-signed certificate for smtp.example.org, in place of the one for mail.example.org"
    ]
    assert names_in(settings.tls_cert) == ["smtp.example.org", "localhost"]
    assert settings.tls_key.read_bytes() == key
    assert matches_key(settings.tls_cert.read_bytes(), key)
    assert stat.S_IMODE(settings.tls_cert.stat().st_mode) == 0o644
    assert init(renamed, T + 2000) == []


def certificate_of_somebody(key_pem: bytes, **different: object) -> bytes:
    """Self-signed, like ours but for one thing."""
    model = x509.load_pem_x509_certificate(self_signed("mail.example.org", key_pem, T))
    key = serialization.load_pem_private_key(key_pem, password=None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    made = (
        x509.CertificateBuilder(subject_name=model.subject, issuer_name=model.issuer, public_key=key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(model.not_valid_before_utc)
        .not_valid_after(model.not_valid_after_utc + timedelta(days=1 if "span" in different else 0))
    )
    for one in model.extensions:
        if not isinstance(one.value, different.get("without", ())):  # type: ignore[arg-type]
            made = made.add_extension(one.value, one.critical)
    return made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


SOMEBODYS = [
    # what it shows, in what it differs from ours
    ("valid for a day longer", {"span": True}),
    ("no certificate authority", {"without": x509.BasicConstraints}),
    ("for every use", {"without": x509.ExtendedKeyUsage}),
    ("without names", {"without": x509.SubjectAlternativeName}),
]


@pytest.mark.parametrize("different", [row[1] for row in SOMEBODYS], ids=[row[0] for row in SOMEBODYS])
def test_another_name_leaves_somebodys_certificate_alone(settings: Settings, different: dict[str, object]) -> None:
    """Also where it is self-signed and for our key: what we did not make is not ours to replace."""
    init(settings, T)
    theirs = certificate_of_somebody(settings.tls_key.read_bytes(), **different)
    settings.tls_cert.write_bytes(theirs)
    assert init(settings.model_copy(update={"hostname": "smtp.example.org"}), T + 1000) == []
    assert settings.tls_cert.read_bytes() == theirs


def test_another_name_with_the_key_of_another_certificate(settings: Settings) -> None:
    """Half of a pair that somebody is about to put there: the key goes first, as the README has it."""
    init(settings, T)
    before = settings.tls_cert.read_bytes()
    settings.tls_key.write_bytes(new_key())
    assert init(settings.model_copy(update={"hostname": "smtp.example.org"}), T + 1000) == []
    assert settings.tls_cert.read_bytes() == before


def test_a_certificate_that_cannot_be_replaced_does_not_stop_the_start(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder that is mounted for reading alone: doctor says that the name does not fit."""
    init(settings, T)
    monkeypatch.setattr("policy.setup.replace_file", refused)
    assert init(settings.model_copy(update={"hostname": "smtp.example.org"}), T + 1000) == []
    assert names_in(settings.tls_cert) == ["mail.example.org", "localhost"]


def refused(setting: str, path: Path, *_: object) -> None:
    raise SettingError(setting, f"{path} cannot be written", "")


def test_the_administrator_is_postmaster(settings: Settings) -> None:
    """RFC 5321 section 4.5.1 wants a postmaster; whoever makes another identity first gets no second one."""
    init(settings, T)
    engine = open_database(location(settings))
    try:
        made = open_store(settings, engine).identities()
        assert [(one.name, one.addresses, one.created_at) for one in made] == [
            ("administrator", ("postmaster@example.org",), T)
        ]
        assert open_store(settings, engine).credentials() == []
    finally:
        engine.dispose()


@pytest.mark.parametrize(("field", "setting"), [(c[1], c[2]) for c in FILES], ids=[c[0] for c in FILES])
def test_a_folder_that_cannot_be_made_is_told_in_a_sentence(settings: Settings, field: str, setting: str) -> None:
    """Where a folder should be is a file; the sentence names the setting that points there."""
    folder: Path = getattr(settings, field).parent
    folder.write_text("a file")
    with pytest.raises(SettingError, match=rf"^{setting}: .* cannot be written"):
        init(settings, T)


def test_a_folder_below_a_file_is_told_in_a_sentence(tmp_path: Path, settings: Settings) -> None:
    """The same one level deeper."""
    (tmp_path / "file").write_text("a file")
    state = tmp_path / "file" / "state"
    elsewhere = settings.model_copy(update={"state_dir": state, "digest_key_file": state / "digest.key"})
    with pytest.raises(SettingError, match=r"^POLICY_STATE_DIR: .* cannot be written"):
        init(elsewhere, T)


def test_a_digest_key_of_its_own_is_used_and_not_made_anew(tmp_path: Path, settings: Settings) -> None:
    """A cluster gives all policies one; what is wrong with it is said of the setting that names it."""
    key = tmp_path / "secret" / "digest.key"
    elsewhere = settings.model_copy(update={"digest_key_file": key})
    key.parent.mkdir()
    settings.state_dir.mkdir()
    key.write_text(bytes(range(32)).hex())
    assert "digest key" not in init(elsewhere, T)
    assert not (settings.state_dir / "digest.key").exists()
    key.write_text("no key")
    engine = open_database(location(elsewhere))
    with pytest.raises(SettingError, match=r"^POLICY_DIGEST_KEY_FILE: .*digest\.key is not there or no key"):
        open_store(elsewhere, engine)
    engine.dispose()


KEYS = [
    # what it shows, content of the digest key file; None where there is none
    ("not there", None),
    ("no hexadecimal digits", b"this is no key\n"),
    ("not text", b"\xff\xfe\xfd"),
]


@pytest.mark.parametrize("content", [c[1] for c in KEYS], ids=[c[0] for c in KEYS])
def test_a_store_without_its_key_does_not_open(settings: Settings, content: bytes | None) -> None:
    """With another key every credential would be refused, and nobody would know why."""
    init(settings, T)
    settings.digest_key_file.unlink()
    if content is not None:
        settings.digest_key_file.write_bytes(content)
    engine = open_database(location(settings))
    try:
        with pytest.raises(SettingError, match=r"^POLICY_STATE_DIR: .*digest\.key is not there or no key"):
            open_store(settings, engine)
    finally:
        engine.dispose()


def test_an_empty_key_is_no_key(settings: Settings) -> None:
    """A file that was cut to nothing must not become a digest with no key at all."""
    init(settings, T)
    settings.digest_key_file.write_text("\n")
    engine = open_database(location(settings))
    try:
        with pytest.raises(SettingError, match=r"digest\.key is not there or no key"):
            open_store(settings, engine)
    finally:
        engine.dispose()


HOSTNAMES = [
    # what it shows, hostname
    ("a hostname", "mail.example.org"),
    ("longer than a common name may be", f"{'mail-' * 12}1.{'example-' * 5}1.org"),
]


@pytest.mark.parametrize("hostname", [c[1] for c in HOSTNAMES], ids=[c[0] for c in HOSTNAMES])
def test_the_certificate_is_for_the_hostname(hostname: str) -> None:
    """Clients look at the alternative names; the common name holds 64 characters, RFC 5280 appendix A.1."""
    key = new_key()
    pem = self_signed(hostname, key, T)
    certificate = x509.load_pem_x509_certificate(pem)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [hostname, "localhost"]
    assert certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == hostname[:64]
    assert matches_key(pem, key)


def test_the_certificate_lasts_from_now_for_two_years() -> None:
    """Its span follows from the moment that was given, and a clock that is a little slow accepts it."""
    certificate = x509.load_pem_x509_certificate(self_signed("mail.example.org", new_key(), T))
    begins, ends = certificate.not_valid_before_utc.timestamp(), certificate.not_valid_after_utc.timestamp()
    assert (T - begins, ends - T) == (3600, 730 * 86400)


def test_the_certificate_of_the_first_start_matches_its_key(settings: Settings) -> None:
    """The two files belong together, and the fingerprint is one of SHA-256."""
    init(settings, T)
    pem = settings.tls_cert.read_bytes()
    assert matches_key(pem, settings.tls_key.read_bytes())
    assert len(bytes.fromhex(fingerprint(pem).replace(":", ""))) == 32
