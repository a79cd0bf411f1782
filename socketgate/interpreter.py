# SPDX-License-Identifier: MIT
"""The command line of another process of our own code.

`python -m` would look into the folder that we happen to be in first, which may be a stranger's.
"""

import os
import sys

_BEGIN = "import sys; sys.path[:] = sys.argv.pop(1).split({!r}); from {} import main; main()"


def words_to_run(module: str, *arguments: str) -> list[str]:
    """To start `main()` of a module with these arguments, found where our own modules are found."""
    path = os.pathsep.join(filter(None, sys.path))
    begin = _BEGIN.format(os.pathsep, module)
    return [sys.executable, "-P", "-c", begin, path, *arguments]
