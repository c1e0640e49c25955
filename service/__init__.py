"""What every service needs to start and to be understood: settings with one-sentence errors, and log lines.

gateway, policy and sink import from here; nothing here knows any of them.
"""

VERSION = "0.1.0"
