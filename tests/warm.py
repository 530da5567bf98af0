"""The command line without its start-up: a process that has loaded everything forks a child for every line.

    with Warm() as warm:
        done = warm.run(["sample", "verses"], folder, env)
        job = warm.start(["train", "verses.txt"], folder, env)
        job.send_signal(signal.SIGTERM)
        done = job.finished()

A child is a process like any other, with a folder, an environment, streams and an end of its own. It only need not load
torch. Each request goes through a socket: a byte that brings the child's streams, and a line of JSON; the answer is a
line with its number. What has become of a child is asked for in the same way, and answered by its exit code.
"""

import importlib
import json
import os
import pkgutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback
from contextlib import ExitStack, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path


class Warm:
    """The process, for who asks."""

    def __enter__(self):
        self.ours, theirs = socket.socketpair()
        with theirs:
            line = [sys.executable, __file__, str(theirs.fileno())]
            self.process = subprocess.Popen(line, pass_fds=[theirs.fileno()])
        self.answers = self.ours.makefile()
        assert self.answers.readline() == "ready\n"
        return self

    def __exit__(self, *details):
        self.answers.close()
        self.ours.close()
        self.process.wait(timeout=30)

    def run(self, arguments, folder, env, **how):
        """The finished process, with bytes on its streams."""
        return self.start(arguments, folder, env, **how).finished()

    def start(self, arguments, folder, env, *, stdin=b"", **how):
        """A line that has been started, with `how` of `begin`."""
        given, *written = (tempfile.TemporaryFile() for _ in range(3))  # noqa: SIM115 - closed when it has ended
        given.write(stdin)
        given.seek(0)
        streams = [file.fileno() for file in (given, *written)]
        with given:
            return Started(self, arguments, self.begin(arguments, folder, env, streams, **how), written)

    def end(self, arguments, folder, env, streams, **how):
        """The exit code of a line on three descriptors, with `how` of `begin`."""
        return self.ask({"pid": self.begin(arguments, folder, env, streams, **how), "wait": True})

    def begin(self, arguments, folder, env, streams, *, stranger=False, seconds=120, first=""):
        """The number of the process of a line on three descriptors, which so many seconds end.

        A `stranger` is no superuser; `first` is Python that runs before the line, to take something from it.
        """
        request = {"arguments": arguments, "folder": str(folder), "env": env, "first": first}
        return self.ask(request | {"stranger": stranger, "seconds": seconds}, streams)

    def ask(self, request, streams=()):
        """A whole number, or none."""
        socket.send_fds(self.ours, [b"!"], streams)
        self.ours.sendall(json.dumps(request).encode() + b"\n")
        return json.loads(self.answers.readline())


@dataclass
class Started:
    """A line at work: as of `subprocess.Popen`, as far as it goes."""

    warm: Warm
    arguments: list
    pid: int
    written: list
    returncode: int | None = None

    def poll(self, wait=False):
        """Its exit code, if it has ended; below 0 if a signal ended it."""
        if self.returncode is None:
            self.returncode = self.warm.ask({"pid": self.pid, "wait": wait})
        return self.returncode

    def send_signal(self, number):
        if self.poll() is None:
            os.kill(self.pid, number)

    def finished(self):
        """The finished process, with what it wrote; its streams are closed."""
        self.poll(wait=True)
        with ExitStack() as stack:
            said = [stack.enter_context(file) for file in self.written]
            return subprocess.CompletedProcess(self.arguments, self.returncode, *map(content, said))


def content(file):
    file.seek(0)
    return file.read()


# The process itself --------------------------------------------------------------------------------------------------


def load_everything():
    """Also what is loaded late, which a stranger may not be allowed to read where Python is installed."""
    import torch

    import charrnn
    from charrnn.cli import app

    for module in pkgutil.walk_packages(charrnn.__path__, "charrnn."):
        importlib.import_module(module.name)
    for late in ("filelock", "rich.console", "rich.table"):
        importlib.import_module(late)
    torch.optim.AdamW([torch.zeros(1, requires_grad=True)])
    torch.nn.LSTM(8, 24)(torch.zeros(16, 4, 8))  # the first takes as long as the next hundred
    model = str(Path(__file__).parents[1] / "checkpoints" / "shakespeare")
    with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
        for line in (["info"], ["sample", "-n", "1"], ["evaluate", __file__], ["plot"]):
            app.run([*line[:1], model, *line[1:]])
        app.run(["train", "nothing"])


def live(request, streams):
    """Be the command."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["env"])
    sys.stdin = os.fdopen(0, encoding="utf-8", errors="surrogateescape", closefd=False)
    sys.stdout = os.fdopen(1, "w", encoding="utf-8", errors="surrogateescape", closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)
    if request["stranger"] and os.geteuid() == 0:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
    signal.alarm(request["seconds"])
    exec(request["first"], {})  # noqa: S102 - of a test
    sys.modules["charrnn.cli.train"].STARTED = time.monotonic()
    sys.argv = ["charrnn", *request["arguments"]]
    sys.modules["charrnn.__main__"].main()


def serve(asked):
    """Fork a child for each request that brings streams, until nobody is left to ask."""
    lines = asked.makefile()
    asked.sendall(b"ready\n")
    while (received := socket.recv_fds(asked, 1, 3))[0]:
        request, streams = json.loads(lines.readline()), received[1]
        answer = born(request, streams) if streams else become(**request)
        for stream in streams:
            os.close(stream)
        asked.sendall(json.dumps(answer).encode() + b"\n")


def born(request, streams):
    """The number of a child that is the command."""
    pid = os.fork()
    if pid == 0:
        try:
            live(request, streams)
        except BaseException:
            traceback.print_exc()
        os._exit(99)
    return pid


def become(pid, wait):
    """The exit code of a child, if it has ended."""
    ended, status = os.waitpid(pid, 0 if wait else os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if ended else None


if __name__ == "__main__":
    load_everything()
    serve(socket.socket(fileno=int(sys.argv[1])))
    os._exit(0)
