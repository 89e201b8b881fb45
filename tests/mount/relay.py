"""The relay between a mount and its server; tests/bench/relay.c says what it
can do."""

import pathlib
import queue
import subprocess
import threading

LIMIT = 60


class Relay:
    """One running relay: tell() it commands, wait for what it did."""

    def __init__(self, build, server, rtt_ms=0):
        program = pathlib.Path(build) / "tests" / "bench" / "relay"
        self.process = subprocess.Popen(
            [str(program), "--rtt", str(rtt_ms), str(server)], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=1)
        first = self.process.stdout.readline().split()
        if first[:1] != ["port"]:
            raise RuntimeError(f"{program} did not start")
        self.port = int(first[1])
        self.answers = queue.Queue()
        self.faults = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()

    @property
    def url(self):
        """The server's URL, by way of the relay."""
        return f"http://127.0.0.1:{self.port}/"

    def _listen(self):
        for line in self.process.stdout:
            word, _, rest = line.strip().partition(" ")
            if word == "done":
                self.faults.put(rest)
            else:
                self.answers.put(line.strip())

    def tell(self, command):
        """Give a command; returns once it is obeyed."""
        self.process.stdin.write(f"{command}\n")
        self.process.stdin.flush()
        answer = self.answers.get(timeout=LIMIT)
        if not answer.startswith("ok "):
            raise ValueError(f"relay, {command}: {answer}")
        return answer

    def wait_done(self, fault, limit=LIMIT):
        """Wait until an armed fault found its victim."""
        met = self.faults.get(timeout=limit)
        assert met == fault, f"{met} came before {fault}"

    def counts(self):
        """connections, open, up and down as numbers."""
        pairs = self.tell("count").split()[2:]
        return {key: int(value) for key, value
                in (pair.split("=") for pair in pairs)}

    def stop(self):
        """End it, and with it all connections."""
        self.process.stdin.close()
        self.process.wait(LIMIT)
        self.process.stdout.close()
