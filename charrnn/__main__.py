"""`python -m charrnn`, and the entry point of the `charrnn` command."""

import sys


def main() -> None:
    """Run the command line and leave with its exit code."""
    from charrnn.cli.app import run

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
