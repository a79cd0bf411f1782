# SPDX-License-Identifier: MIT
"""The command line's verbs and options, as the parser has them."""

import argparse
import re

from socketgate.cli import load_verb
from socketgate.takeover import USAGE as EXEC_USAGE


def options_of(verb: str) -> set[str]:
    """All that a user is told of, without dashes; -h and --help are left out."""
    if verb == "exec":  # which reads its words without argparse
        return set(re.findall(r"^ +--([\w-]+)", EXEC_USAGE, re.MULTILINE))
    parser = argparse.ArgumentParser(add_help=False)
    load_verb(verb).configure(parser)
    actions = parser._option_string_actions.items()
    return {name.lstrip("-") for name, one in actions if one.help != argparse.SUPPRESS}
