"""A process that is told to stop ends in good order, and at once when Ctrl-C comes again."""

import signal
import subprocess
import sys

PROGRAM = """
import time
from rekindle.cli.servers import _on_stop
_on_stop(lambda: print("told", flush=True))
print("ready", flush=True)
time.sleep(20)
"""


def test_ctrl_c_twice_ends_at_once_and_once_more_told_to_stop_does_not() -> None:
    with subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(signal.SIGTERM)
        assert process.stdout.readline() == b"told\n"
        process.send_signal(signal.SIGTERM)
        assert process.poll() is None
        process.send_signal(signal.SIGINT)

        assert process.wait(5) == 128 + signal.SIGINT
