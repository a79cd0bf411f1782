# SPDX-License-Identifier: MIT
"""The real xinetd, as a child."""

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

PATIENCE_SECONDS = 20.0


@contextlib.contextmanager
def xinetd(configuration: Path) -> Iterator[None]:
    """It serves what this configuration says."""
    pid = configuration.with_name("pid")
    words = ["xinetd", "-dontfork", "-f", str(configuration)]
    words += ["-pidfile", str(pid), "-filelog", "/dev/stderr"]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            assert any("Started working" in line for line in process.stderr)
            yield
        finally:
            process.terminate()
            process.communicate(timeout=PATIENCE_SECONDS)
