# SPDX-License-Identifier: MIT
"""`socketgate exec`: take one connection over and become the program that serves it.

The work is done in socketgate.takeover, which the command's entry calls directly: importing this
package costs more than the rest of the start.
"""

import argparse

from socketgate.takeover import main

__all__ = ["HELP", "configure", "main", "run"]

HELP = "take one connection over from the gate and become a program (Accept=yes backends)"


def configure(parser: argparse.ArgumentParser) -> None:
    """All words are read by socketgate.takeover."""
    parser.add_argument("words", nargs=argparse.REMAINDER, metavar="-- PROGRAM ...")


def run(arguments: argparse.Namespace) -> int:
    """Become the program."""
    words: list[str] = arguments.words
    return main(words)
