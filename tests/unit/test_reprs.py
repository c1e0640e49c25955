"""No value shows a secret of its own when it is printed: in a debugger, in a test that fails, in a log."""

import dataclasses
import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from types import ModuleType

import pytest
from pydantic import BaseModel, ValidationError

import gateway
import policy
import service
from policy.contract import LoginStep

SECRETS = re.compile(
    r"(?!is_|without_)(.*_)?(secret|password|passphrase|token|cookie|cookies|seed|key|keys|digest|digests|proof|responses?|sealed"
    r"|hash|hashed|recovery_codes|url|uri|browser)"
)
# Named like a secret, and none.
PUBLIC = {
    ("gateway.settings", "Settings", "otlp_url"),  # refused where it holds a password
    ("gateway.settings", "Settings", "policy_url"),
    ("gateway.settings", "Settings", "scan_url"),
    ("gateway.settings", "Settings", "tls_key"),  # paths
    ("gateway.tls", "_Pair", "digest"),  # of the certificate
    ("policy.alerting.mails", "ToOwner", "console_url"),
    ("policy.budgets.stored", "_Key", "key"),  # the name of a budget
    ("policy.bridges.issuer_keys", "KeySet", "keys"),  # the issuer's public ones
    ("policy.bridges.settings", "BridgeSettings", "ldap_url"),
    ("policy.console.parts", "Parts", "certificate_key"),  # a path
    ("policy.console.staff.rulebook_words", "Row", "key"),  # of a line in the policy file
    ("policy.console.staff.what_if", "Run", "digest"),  # of the policy
    ("policy.enrolment.words", "Words", "secret"),  # what a secret is called in a language
    ("policy.engine.rulebook", "Rulebook", "digest"),  # of the policy, which is no secret
    ("policy.publishing.records", "Publishing", "console_url"),
    ("policy.rulebook.changes", "Change", "key"),  # of a line in the policy file
    ("policy.rulebook.faults", "Fault", "key"),
    ("policy.rulebook.lines", "_Statement", "key"),
    ("policy.settings", "Settings", "budgets_url"),  # refused where it holds a password
    ("policy.settings", "Settings", "console_url"),
    ("policy.settings", "Settings", "database_url"),  # refused where it holds a password
    ("policy.settings", "Settings", "doveadm_url"),
    ("policy.settings", "Settings", "hibp_url"),
    ("policy.settings", "Settings", "ldap_url"),
    ("policy.single_sign_on.provider", "Registration", "redirect_uri"),
    ("policy.settings", "Settings", "otlp_url"),  # refused where it holds a password
    ("policy.settings", "Settings", "queue_url"),
    ("policy.settings", "Settings", "tls_key"),  # a path
    ("policy.store.archive", "Manifest", "keys"),  # names and digests of files
    ("policy.simulation.runs", "Run", "seed"),  # of a simulated day
    ("policy.store.factors", "Passkey", "public_key"),
    ("policy.store.rulebooks", "KeptRulebook", "digest"),  # of the policy
    ("policy.client_ca", "Issued", "key"),  # an object of the cryptography library, which shows no key
    ("policy.client_ca", "ClientCa", "key"),
    ("policy.alerting.mails", "ToAdministrator", "console_url"),
    ("policy.migrating.places", "Counter", "key"),  # the name of a budget
    ("policy.migrating.places", "MemberSet", "key"),
    ("policy.migrating.target", "Done", "last_key"),  # of a row
    ("policy.api.caller", "Back", "invite_url"),  # makes one
    ("policy.api.caller", "Caller", "invite_url"),
    ("policy.console.parts", "Parts", "invite_url"),
    ("policy.api.caller", "Caller", "token"),  # its row: name, scopes and times
}


def shown_fields() -> Iterator[tuple[str, str, str]]:
    """Module, class and field of everything that a repr shows."""
    for package in (gateway, policy, service):
        for module in modules(package):
            for name, kind in vars(module).items():
                if inspect.isclass(kind) and kind.__module__ == module.__name__:
                    yield from ((module.__name__, name, field) for field in shown_by(kind))


def modules(package: ModuleType) -> Iterator[ModuleType]:
    for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if not found.name.endswith("__main__") and ".migrations." not in found.name:
            yield importlib.import_module(found.name)


def shown_by(kind: type) -> list[str]:
    if dataclasses.is_dataclass(kind):
        return [field.name for field in dataclasses.fields(kind) if field.repr]
    if issubclass(kind, BaseModel):
        return [name for name, field in kind.model_fields.items() if field.repr]
    return []


def test_no_secret_is_in_a_repr() -> None:
    """Whatever has the name of a secret is left out, unless it is in the list above; and that has nothing of old."""
    named = {one for one in shown_fields() if SECRETS.fullmatch(one[2])}
    assert named - PUBLIC == set()
    assert PUBLIC - named == set()


def test_the_search_sees_a_secret() -> None:
    """It must be able to fail."""

    @dataclasses.dataclass
    class Careless:
        label: str
        api_token: str

    assert [name for name in shown_by(Careless) if SECRETS.fullmatch(name)] == ["api_token"]


def test_a_question_that_is_none_does_not_repeat_a_sasl_response() -> None:
    """Pydantic's errors show what was given, unless told otherwise."""
    with pytest.raises(ValidationError) as error:
        LoginStep.model_validate({"responses": ["no base64: s3cret"], "mechanism": ["s3cret"]})
    assert "s3cret" not in str(error.value)
