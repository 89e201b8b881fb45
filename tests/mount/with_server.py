"""Runs a command beside a real Jupyter server.

    with_server.py notebook|server COMMAND...

The command finds it in PYCLOUD_TEST_URL and PYCLOUD_TOKEN; its exit status is
ours.
"""

import os
import subprocess
import sys

import harness


def main():
    """Start, run, stop."""
    server = harness.Server(sys.argv[1]).start()
    try:
        env = dict(os.environ, PYCLOUD_TEST_URL=server.url.rstrip("/"),
                   PYCLOUD_TOKEN=server.token)
        return subprocess.run(sys.argv[2:], env=env, check=False).returncode
    finally:
        server.stop()


if __name__ == "__main__":
    sys.exit(main())
