"""The command line, as `lowerbound` and as `python -m lowerbound`."""

import sys


def main() -> None:
    """Run the command line; an interrupt while it is being loaded ends it as one later does, without a traceback."""
    try:
        from .cli.main import main as run
    except KeyboardInterrupt:
        sys.stderr.write("stopped\n")
        sys.exit(130)
    run()


if __name__ == "__main__":
    main()
