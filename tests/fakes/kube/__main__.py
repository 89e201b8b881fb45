"""A cluster by hand, until the end of standard input or a signal:

    PYTHONPATH=tests/fakes /usr/bin/python3 -m kube FOLDER

Prints the path of a kubeconfig for `export KUBECONFIG=...`.
"""

import argparse
import logging
import signal
import sys

from . import Cluster


def main():
    """Start, wait, stop."""
    parser = argparse.ArgumentParser(prog="kube")
    parser.add_argument("folder", help="for keys, logs and claims")
    parser.add_argument("--user", default="admin")
    parser.add_argument("--speed", type=float, default=10)
    parser.add_argument("--plain", action="store_true",
                        help="http in place of https")
    parser.add_argument("--verbose", action="store_true")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.DEBUG if arguments.verbose
                        else logging.WARNING)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    cluster = Cluster(arguments.folder, speed=arguments.speed,
                      tls=not arguments.plain)
    cluster.start()
    try:
        print(cluster.kubeconfig(user=arguments.user), flush=True)
        sys.stdin.read()
    finally:
        cluster.stop()


main()
