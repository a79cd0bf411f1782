# SPDX-License-Identifier: MIT
"""`python -m socketgate` and the installed command."""

import sys


def main() -> None:
    """Run the command line and exit."""
    words = sys.argv[1:]
    if words[:1] == ["exec"]:
        # A part of every connection of an Accept=yes backend: no argparse, nothing it doesn't need.
        from socketgate.takeover import main as take_over

        sys.exit(take_over(words[1:]))
    from socketgate.cli import main as cli_main
    from socketgate.cli.streams import prepare_streams

    prepare_streams()
    sys.exit(cli_main(words))


if __name__ == "__main__":
    main()
