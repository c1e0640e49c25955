"""Apple's configuration profile: one tap sets up Mail on iPhone, iPad and Mac; FairEmail imports it, too.

The keys are those of Apple's device management documentation: the top level, and the payload `com.apple.mail.managed`.
The secret is in it, so it goes only to the person who was just shown that secret, and never into a URL. Apple advises
to put passwords into encrypted profiles alone; those are for managed devices, whose key a server knows beforehand.

A signed profile is shown as "Verified" where the certificate is that of a public authority.
"""

import plistlib
import uuid

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs7

from policy.enrolment.settings import Device, Servers, one_line

MEDIA_TYPE = "application/x-apple-aspen-config"
FILE_NAME = "sallyport.mobileconfig"


def mobileconfig(servers: Servers, device: Device) -> bytes:
    """The profile of one device. The same device gets the same identifiers: installed again, it replaces itself."""
    identifier = ".".join(reversed(servers.hostname.split("."))) + f".sallyport.{device.login}"
    title = one_line(device.address)
    return plistlib.dumps(
        {
            "PayloadType": "Configuration",
            "PayloadVersion": 1,
            "PayloadIdentifier": identifier,
            "PayloadUUID": _uuid(identifier),
            "PayloadDisplayName": title,
            "PayloadDescription": f"Mail for {title} ({one_line(device.label)})",
            "PayloadOrganization": servers.hostname,
            "PayloadRemovalDisallowed": False,
            "PayloadContent": [_mail(servers, device, identifier + ".mail")],
        }
    )


def signed(profile: bytes, certificate_chain_pem: bytes, key_pem: bytes) -> bytes:
    """The profile within a CMS signature (RFC 5652), DER. ValueError where certificate and key cannot sign."""
    certificates = x509.load_pem_x509_certificates(certificate_chain_pem)
    try:
        key = serialization.load_pem_private_key(key_pem, password=None)
    except TypeError:
        raise ValueError("the key has a passphrase") from None
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise ValueError("only RSA and EC keys sign profiles")  # noqa: TRY004 - what the file holds is a value
    if key.public_key() != certificates[0].public_key():
        raise ValueError("not the key of the certificate")
    builder = pkcs7.PKCS7SignatureBuilder().set_data(profile).add_signer(certificates[0], key, hashes.SHA256())
    for issuer in certificates[1:]:
        builder = builder.add_certificate(issuer)
    return builder.sign(serialization.Encoding.DER, [pkcs7.PKCS7Options.Binary])


def _mail(servers: Servers, device: Device, identifier: str) -> dict[str, object]:
    incoming, outgoing = servers.incoming, servers.outgoing
    return {
        "PayloadType": "com.apple.mail.managed",
        "PayloadVersion": 1,
        "PayloadIdentifier": identifier,
        "PayloadUUID": _uuid(identifier),
        "PayloadDisplayName": one_line(device.address),
        "EmailAccountType": "EmailTypeIMAP",
        "EmailAccountDescription": one_line(device.address),
        "EmailAccountName": device.name,
        "EmailAddress": one_line(device.address),
        "IncomingMailServerAuthentication": "EmailAuthPassword",
        "IncomingMailServerHostName": incoming.host,
        "IncomingMailServerPortNumber": incoming.port,
        "IncomingMailServerUseSSL": True,
        "IncomingMailServerUsername": device.login,
        "IncomingPassword": device.secret,
        "OutgoingMailServerAuthentication": "EmailAuthPassword",
        "OutgoingMailServerHostName": outgoing.host,
        "OutgoingMailServerPortNumber": outgoing.port,
        "OutgoingMailServerUseSSL": True,
        "OutgoingMailServerUsername": device.login,
        "OutgoingPassword": device.secret,
        "OutgoingPasswordSameAsIncomingPassword": True,
    }


def _uuid(identifier: str) -> str:
    """Derived, so that it is the same each time (RFC 9562 section 5.5)."""
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, identifier)).upper()
