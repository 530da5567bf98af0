"""`python -m charrnn`, and the entry point of the `charrnn` command."""

import contextlib
import os
import sys


def main() -> None:
    """Run the command line and leave with its exit code."""
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # to look for some would cost 15 ms of every start
    from charrnn.cli.app import run

    code = run(sys.argv[1:])
    # Everything is written and closed. Taking the interpreter apart would be an eighth of `sample`'s time; and torch's
    # threads sometimes abort one of several processes that leave at once.
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
