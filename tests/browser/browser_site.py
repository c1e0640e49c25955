"""The whole of Sallyport behind the console, as processes, for tests with a browser."""

import contextlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from browser_parts import CANARY, Site
from harness import Postfix, Process, Sallyport, Sink, answers, free_port, until
from issuer_server import CLIENT, CLIENT_SECRET, Issuer
from queue_stage import TOKEN, QueueStage, staged


@contextlib.contextmanager
def standing(
    folder: Path, sink: Sink, issuer: Issuer, begin: Callable[[Sallyport], object] = lambda _: None
) -> Iterator[Site]:
    """With Postfix where it can run. `begin` is done before anything of it starts."""
    with contextlib.ExitStack() as ends:
        queue = ends.enter_context(staged(folder / "queue", next_hop=sink.smtp_port)) if Postfix.is_possible() else None
        made = _site(folder, sink, issuer, queue)
        ends.callback(made.engine.dispose)
        ends.callback(made.sallyport.stop)
        ends.callback(made.process.stop)
        begin(made.sallyport)
        made.sallyport.start()
        if queue:
            queue.agent.process.environment["QUEUE_AGENT_POLICY_URL"] = f"http://127.0.0.1:{made.sallyport.policy_port}"
            queue.agent.stop()
            queue.agent.start()
        made.process.start()
        port = int(made.url.rpartition(":")[2])
        until(lambda: answers(port), f"the console answers\n{made.process.text()}", 60)
        yield made


def _site(folder: Path, sink: Sink, issuer: Issuer, queue: QueueStage | None) -> Site:
    port, proxied, token, secret = free_port(), free_port(), folder / "queue.token", folder / "client.secret"
    token.write_text(TOKEN)
    secret.write_text(CLIENT_SECRET)
    (folder / "policy.toml").write_text(f"# {CANARY}\n")
    settings = {
        "POLICY_CONSOLE_PORT": str(port),
        "POLICY_CONSOLE_URL": f"https://localhost:{port}",
        "POLICY_CONSOLE_OIDC_ISSUER": issuer.url,
        "POLICY_CONSOLE_OIDC_NAME": CANARY[:60],
        "POLICY_CONSOLE_OIDC_CLIENT_ID": CLIENT,
        "POLICY_CONSOLE_OIDC_CLIENT_SECRET_FILE": str(secret),
        "POLICY_CONSOLE_OIDC_CA": str(issuer.ca),
        "POLICY_ALERT_RELAY": f"127.0.0.1:{sink.smtp_port}",
        "POLICY_FILE": str(folder / "policy.toml"),
        "POLICY_QUEUE_TOKEN_FILE": str(token),
    }
    settings |= {"POLICY_QUEUE_URL": queue.agent.url} if queue else {}
    hold = {"GATEWAY_HOLD_RELAY": f"127.0.0.1:{queue.postfix.hold_port}"} if queue else {}
    sallyport = Sallyport(folder / "sallyport", queue.postfix.port if queue else sink.smtp_port, settings, hold)
    ports = (sallyport.submission_port, sallyport.submissions_port, proxied)
    listeners = zip(("submission", "submissions", "proxied"), ("starttls", "implicit", "implicit"), ports, strict=True)
    sallyport.gateway.environment["GATEWAY_LISTENERS"] = json.dumps(
        [
            {"name": name, "tls": tls, "port": where, "addresses": ["127.0.0.1"]}
            | ({"proxy_from": ["127.0.0.0/8"]} if name == "proxied" else {})
            for name, tls, where in listeners
        ]
    )
    command, environment = [sys.executable, "-m", "policy.console"], sallyport.policy_environment
    console = Process(command, environment, sallyport.folder / "console.log")
    return Site(sallyport, f"https://localhost:{port}", console, sink, issuer, proxied, queue)
