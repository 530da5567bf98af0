"""The command line without its start-up: a process that has loaded everything forks a child for every line.

    with Warm() as warm:
        done = warm.run(["sample", "verses"], folder, env)

A child is a process like any other, with a folder, an environment, streams and an end of its own. It only need not load
torch. Each request goes through a socket: a byte that brings the child's streams, and a line of JSON; the answer is a
line with the exit code.
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

    def run(self, arguments, folder, env, *, stdin=b"", stranger=False, seconds=120):
        """The finished process, with bytes on its streams. A `stranger` is no superuser."""
        with ExitStack() as stack:
            given, *written = (stack.enter_context(tempfile.TemporaryFile()) for _ in range(3))
            given.write(stdin)
            given.seek(0)
            streams = [file.fileno() for file in (given, *written)]
            code = self.end(arguments, folder, env, streams, stranger=stranger, seconds=seconds)
            return subprocess.CompletedProcess(arguments, code, *map(content, written))

    def end(self, arguments, folder, env, streams, *, stranger=False, seconds=120):
        """The exit code of a line on three descriptors; below 0 if a signal ended it, as after so many seconds."""
        request = {"arguments": arguments, "folder": str(folder), "env": env, "stranger": stranger, "seconds": seconds}
        socket.send_fds(self.ours, [b"!"], streams)
        self.ours.sendall(json.dumps(request).encode() + b"\n")
        return int(self.answers.readline())


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
    torch.optim.AdamW([torch.zeros(1, requires_grad=True)])
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
    sys.modules["charrnn.cli.train"].STARTED = time.monotonic()
    sys.argv = ["charrnn", *request["arguments"]]
    sys.modules["charrnn.__main__"].main()


def serve(asked):
    """Fork a child for each request, until nobody is left to ask."""
    lines = asked.makefile()
    asked.sendall(b"ready\n")
    while streams := socket.recv_fds(asked, 1, 3)[1]:
        request = json.loads(lines.readline())
        pid = os.fork()
        if pid == 0:
            try:
                live(request, streams)
            except BaseException:
                traceback.print_exc()
            os._exit(99)
        for stream in streams:
            os.close(stream)
        _, status = os.waitpid(pid, 0)
        asked.sendall(b"%d\n" % os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    load_everything()
    serve(socket.socket(fileno=int(sys.argv[1])))
    os._exit(0)
