"""The CA for client certificates: what it makes, and that it is made once."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from policy.client_ca import LEAF_LIFETIME_S, open_client_ca
from policy.store.errors import StoreError

NOW = 1_764_000_000.0
DAY_S = 86_400.0
LOGIN = "fosem-4k7q-talir"


def common_name(name: x509.Name) -> str:
    (found,) = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found.value)


def test_the_ca_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    """Key and certificate, mode 0600, in a folder of mode 0700."""
    ca = open_client_ca(tmp_path, NOW)
    again = open_client_ca(tmp_path, NOW + DAY_S)
    assert again.pem == ca.pem
    files = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "client-ca").iterdir()}
    assert files == {"key.pem": 0o600, "cert.pem": 0o600}
    assert stat.S_IMODE((tmp_path / "client-ca").stat().st_mode) == 0o700
    assert [path.name for path in tmp_path.iterdir()] == ["client-ca"]


def test_several_processes_make_one(tmp_path: Path) -> None:
    """Whoever is first; the others take that one."""
    with ThreadPoolExecutor(8) as several:
        made = list(several.map(lambda _: open_client_ca(tmp_path, NOW).pem, range(16)))
    assert len(set(made)) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["client-ca"]


def test_the_ca_signs_client_certificates_and_nothing_else(tmp_path: Path) -> None:
    """RFC 5280 section 4.2.1: no CA below it, no other use of its key."""
    certificate = open_client_ca(tmp_path, NOW).certificate
    constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    assert constraints.critical
    assert (constraints.value.ca, constraints.value.path_length) == (True, 0)
    usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    assert (usage.key_cert_sign, usage.crl_sign, usage.digital_signature) == (True, True, False)
    assert isinstance(certificate.public_key(), ec.EllipticCurvePublicKey)


def test_two_installations_have_cas_of_two_names(tmp_path: Path) -> None:
    """Clients choose a certificate by the name of its issuer."""
    names = set()
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        names.add(common_name(open_client_ca(tmp_path / folder, NOW).certificate.subject))
    assert len(names) == 2


def test_what_is_issued(tmp_path: Path) -> None:
    """For a client, naming the login and nothing else, valid as long as was asked for and verifiable."""
    ca = open_client_ca(tmp_path, NOW)
    issued = ca.issue(LOGIN, NOW, NOW + 30 * DAY_S)
    leaf = issued.certificate
    assert common_name(leaf.subject) == LOGIN
    assert leaf.not_valid_before_utc.timestamp() == NOW - 3600
    assert leaf.not_valid_after_utc.timestamp() == NOW + 30 * DAY_S
    usage = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    assert not leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    leaf.verify_directly_issued_by(ca.certificate)
    key = leaf.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert key.curve.name == "secp256r1"
    assert issued.fingerprint == leaf.fingerprint(hashes.SHA256()).hex()


def test_nothing_outlives_the_ca(tmp_path: Path) -> None:
    """A certificate that no server can verify any more says so itself."""
    ca = open_client_ca(tmp_path, NOW)
    late = NOW + 3600 * DAY_S
    assert ca.issue(LOGIN, late, late + LEAF_LIFETIME_S).certificate.not_valid_after_utc == (
        ca.certificate.not_valid_after_utc
    )


def test_the_file_for_the_device(tmp_path: Path) -> None:
    """Key, certificate and issuer; nothing without the passphrase."""
    ca = open_client_ca(tmp_path, NOW)
    issued = ca.issue(LOGIN, NOW, NOW + DAY_S)
    octets = issued.pkcs12("right")
    key, certificate, issuers = pkcs12.load_key_and_certificates(octets, b"right")
    assert certificate == issued.certificate
    assert issuers == [ca.certificate]
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert key.public_key() == issued.certificate.public_key()
    with pytest.raises(ValueError, match="password"):
        pkcs12.load_key_and_certificates(octets, b"wrong")
    encoding, form = serialization.Encoding.DER, serialization.PrivateFormat.PKCS8
    assert key.private_bytes(encoding, form, serialization.NoEncryption())[-32:] not in octets


BROKEN = [
    # what it shows, file, content, the sentence
    ("a key that is none", "key.pem", b"x", "holds no CA"),
    ("a certificate that is none", "cert.pem", b"x", "holds no CA"),
    ("a key that is missing", "key.pem", None, "cannot be used"),
]


@pytest.mark.parametrize(("name", "content", "match"), [c[1:] for c in BROKEN], ids=[c[0] for c in BROKEN])
def test_a_broken_ca(tmp_path: Path, name: str, content: bytes | None, match: str) -> None:
    """Said in a sentence; nothing is made anew over it."""
    open_client_ca(tmp_path, NOW)
    path = tmp_path / "client-ca" / name
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(StoreError, match=match):
        open_client_ca(tmp_path, NOW)


def test_parts_of_two_cas(tmp_path: Path) -> None:
    """What it would issue could not be verified."""
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        open_client_ca(tmp_path / folder, NOW)
    (tmp_path / "one/client-ca/key.pem").write_bytes((tmp_path / "two/client-ca/key.pem").read_bytes())
    with pytest.raises(StoreError, match="two CAs"):
        open_client_ca(tmp_path / "one", NOW)


def test_an_expired_ca(tmp_path: Path) -> None:
    """Is not used any more, and not replaced without being asked."""
    open_client_ca(tmp_path, NOW)
    with pytest.raises(StoreError, match="has expired"):
        open_client_ca(tmp_path, NOW + 3651 * DAY_S)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    """The state folder belongs to `sallyport init`."""
    with pytest.raises(StoreError, match="cannot be used"):
        open_client_ca(tmp_path / "gone", NOW)
