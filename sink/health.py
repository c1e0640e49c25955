"""Health check of the sink: `python -m sink.health` asks its own /health, exit 0 or 1."""

import os
import sys
import urllib.request


def main() -> int:
    port = int(os.environ.get("SINK_HTTP_PORT", "8025"))
    # No proxy: an engine that has one for builds names it in every container's environment.
    ask = urllib.request.build_opener(urllib.request.ProxyHandler({})).open
    try:
        with ask(f"http://127.0.0.1:{port}/health", timeout=5):
            return 0
    except OSError as error:
        print(f"the sink does not answer: {type(error).__name__}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
