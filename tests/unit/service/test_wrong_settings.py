"""What people get wrong in real settings: one sentence for each says what would do, and nothing is a traceback."""

from collections.abc import Mapping
from pathlib import Path
from typing import get_args

import pytest
from pydantic_settings import BaseSettings

import gateway.settings
import policy.__main__
import policy.settings
import queue_agent.settings
from service.settings import EXIT_BAD_SETTING, SettingError, load

GATEWAY: Mapping[str, str] = {
    "GATEWAY_TLS_CERT": "/tls/cert.pem",
    "GATEWAY_TLS_KEY": "/tls/key.pem",
    "GATEWAY_POLICY_URL": "http://policy:7587",
    "GATEWAY_POLICY_TOKEN_FILE": "/secrets/policy.token",
    "GATEWAY_RELAY": "postfix:10025",
}
KINDS: list[type[BaseSettings]] = [gateway.settings.Settings, policy.settings.Settings, queue_agent.settings.Settings]
LISTENER = '{"name": "machines", "port": 2465, "tls": "implicit"}'

WRONG = [
    # environment, the sentence
    ({"GATEWAY_LISTENERS": "{"}, "GATEWAY_LISTENERS: it is no JSON; look at brackets, quotes and commas"),
    ({"GATEWAY_LISTENERS": '[{"name": "machines"}]'}, "GATEWAY_LISTENERS: number 1, port is not set; add it"),
    (
        {"GATEWAY_LISTENERS": f'[{LISTENER}, {{"name": "b", "port": 0, "tls": "implicit"}}]'},
        "GATEWAY_LISTENERS: number 2, port 0 will not do; it should be greater than 0",
    ),
    (
        {"GATEWAY_LISTENERS": LISTENER[:-1] + ', "addresses": ["localhost"]}'},
        "GATEWAY_LISTENERS: ",
    ),
    (
        {"GATEWAY_LISTENERS": f"[{LISTENER}]", "GATEWAY_TRAVEL_SUBMISSION_PORT": "2587"},
        "it should have the travellers' listeners in it, and GATEWAY_TRAVEL_... should not be set",
    ),
    (
        {"GATEWAY_BIND": "localhost"},
        "GATEWAY_BIND: 'localhost' will not do; it should be addresses such as 192.0.2.1, and no names",
    ),
    ({"GATEWAY_RELAY": "postfix"}, "GATEWAY_RELAY: 'postfix' will not do; it should be such as postfix:10025"),
    ({"GATEWAY_HOLD_RELAY": "postfix"}, "it should be such as postfix:10026"),
    ({"GATEWAY_SCAN_URL": "rspamd:11333"}, "it should be such as http://rspamd:11333"),
    ({"GATEWAY_HOSTNAME": "mail server"}, "it should be such as mail.example.org"),
    ({"GATEWAY_HOSTNAME": "mail..example.org"}, "it should be such as mail.example.org"),
    ({"GATEWAY_RELAY": "postfix:65536"}, "it should be such as postfix:10025"),
    ({"GATEWAY_HOLD_RELAY": "[::1]:0"}, "it should be such as postfix:10026"),
    ({"GATEWAY_SCAN_URL": "http://rspamd:99999"}, "it should be such as http://rspamd:11333"),
    ({"GATEWAY_STATUS_BIND": ""}, "it should be such as 127.0.0.1"),
    ({"GATEWAY_COMMAND_TIMEOUT_S": "inf"}, "it should be a finite number"),
    ({"GATEWAY_OTLP_URL": "collector:4318"}, "it should be such as http://collector:4318/v1/traces"),
    ({"POLICY_OTLP_URL": "collector:4318"}, "it should be such as http://collector:4318/v1/traces"),
    ({"POLICY_ALERT_TO": "nobody"}, "POLICY_ALERT_TO: 'nobody' will not do; it should be such as admin@example.org"),
    ({"POLICY_ALERT_RELAY": "postfix"}, "it should be such as postfix:10025"),
    ({"POLICY_CONSOLE_URL": "console.example.org"}, "it should be such as https://console.example.org"),
    ({"POLICY_DOVEADM_URL": "dovecot:8080"}, "it should be such as http://dovecot:8080"),
    ({"POLICY_COMPLAINTS_MAILBOX": "Abuse Desk"}, "it should be such as abuse"),
    ({"POLICY_HOSTNAME": "-"}, "it should be such as mail.example.org"),
    ({"POLICY_HOSTNAME": "mail..example.org"}, "it should be such as mail.example.org"),
    *(
        ({"POLICY_MX": given}, "POLICY_MX: ")
        for given in (
            "mx_1",
            "mx_1.example.org",
            "10 mx.example.org",
            "mx",
            "192.0.2.1",
            "https://mx.example.org",
            "..",
        )
    ),
    ({"POLICY_MX": "mx.example.org,-"}, "it should be full host names such as mx.example.org, separated by commas"),
    *(
        ({"POLICY_DOMAINS": given}, "it should be domains such as example.org, separated by commas")
        for given in ("..", "a..b", "https://example.org", "192.0.2.0/24", "example.org\nexample.net", "192.0.2.1")
    ),
    ({"POLICY_GEO_COUNTRY_DB": "country.mmdb"}, "it should be the path of a file from / on, or none"),
    ({"POLICY_GEO_ASN_DB": "None"}, "it should be the path of a file from / on, or none"),
    ({"POLICY_SUBMISSIONS_KEPT_DAYS": "1000000"}, "it should be less than or equal to 36500"),
    ({"POLICY_BIND": ""}, "POLICY_BIND: "),
    ({"POLICY_CONSOLE_BIND": " "}, "POLICY_CONSOLE_BIND: "),
    ({"POLICY_HIBP_URL": "api.pwnedpasswords.com"}, "it should be such as https://api.pwnedpasswords.com/range"),
    ({"POLICY_PORT": "70000"}, "POLICY_PORT: '70000' will not do; it should be less than or equal to 65535"),
    *(
        ({name: f"{scheme}{place}"}, f"{name}: '{scheme}{place}' will not do; it should ")
        for name, scheme in (
            ("POLICY_CONSOLE_URL", "https://"),
            ("POLICY_HIBP_URL", "http://"),
            ("POLICY_DOVEADM_URL", "http://"),
            ("POLICY_OTLP_URL", "http://"),
            ("GATEWAY_OTLP_URL", "http://"),
            ("POLICY_OIDC_ISSUER", "https://"),
            ("POLICY_CONSOLE_OIDC_ISSUER", "https://"),
            ("POLICY_LDAP_URL", "ldap://"),
            ("POLICY_ALERT_RELAY", ""),
            ("QUEUE_AGENT_POLICY_URL", "http://"),
        )
        for place in ("[::1", "host:65536", "host:0", ":80")
    ),
    ({"POLICY_QUEUE_URL": "http://queue-agent:7589,http://[::1"}, "it should be URLs such as http://queue-agent:7589"),
    ({"POLICY_ALERT_WEBHOOKS": "https://host:65536/"}, "it should be URLs such as https://example.org/hook"),
    ({"QUEUE_AGENT_BIND": ""}, "QUEUE_AGENT_BIND: '' will not do; it should be such as 127.0.0.1"),
    ({"POLICY_HSTNAME": "x"}, "POLICY_HSTNAME: there is no such setting; did you mean POLICY_HOSTNAME?"),
]


@pytest.mark.parametrize(("given", "sentence"), WRONG, ids=[f"{n} {min(given)}" for n, (given, _) in enumerate(WRONG)])
def test_the_sentence_says_what_would_do(
    given: Mapping[str, str], sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {**GATEWAY, **given}.items():
        monkeypatch.setenv(name, value)
    kind = next(one for one in KINDS if next(iter(given)).startswith(one.model_config["env_prefix"]))
    with pytest.raises(SettingError) as told:
        load(kind)
    assert sentence in str(told.value)
    assert "pattern" not in str(told.value)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("POLICY_DATABASE_URL", "postgresql://sallyport@db:65536/sallyport"),
        ("POLICY_BUDGETS_URL", "valkey:6379"),
        ("POLICY_BUDGETS_URL", "valkey://valkey:0"),
        ("POLICY_DELEGATION_LISTEN", "127.0.0.1:65536"),
        ("POLICY_DELEGATION_LISTEN", "unix:socket"),
    ],
)
def test_the_check_before_a_start_looks_at_what_is_read_later(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is asked and nothing bound."""
    monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.argv", ["policy", "--check"])
    with pytest.raises(SystemExit) as ended:
        policy.__main__.main()
    assert ended.value.code == EXIT_BAD_SETTING
    assert capsys.readouterr().err.startswith(f"policy: {name}: ")


def test_hosts_and_domains_are_taken_as_people_write_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLICY_MX", "MX1.example.org. , mx-2.example.org")
    monkeypatch.setenv("POLICY_DOMAINS", "Example.org, xn--mller-kva.example, bücher.example,")
    settings = load(policy.settings.Settings)
    assert settings.mx_hosts == ("mx1.example.org", "mx-2.example.org")
    assert settings.domains == ("example.org", "xn--mller-kva.example", "bücher.example")


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__module__)
def test_an_empty_file_name_is_no_file(kind: type[BaseSettings], monkeypatch: pytest.MonkeyPatch) -> None:
    """Compose files and manifests cannot leave a variable out: empty is not set, and not the folder `.`."""
    prefix = kind.model_config["env_prefix"]
    for name, value in GATEWAY.items():
        monkeypatch.setenv(name, value)
    optional = [
        name for name, field in kind.model_fields.items() if {Path, type(None)} <= set(get_args(field.annotation))
    ]
    for name in optional:
        monkeypatch.setenv(f"{prefix}{name}".upper(), "")
    settings = load(kind)
    assert not [name for name in optional if getattr(settings, name) is not None]
    assert optional or kind is queue_agent.settings.Settings
