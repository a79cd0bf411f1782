# SPDX-License-Identifier: MIT
"""A box for each module of tests under a real systemd, with the project installed."""

from collections.abc import Iterator

import pytest

from tests.support.box import Box


@pytest.fixture(scope="module")
def empty_box() -> Iterator[Box]:
    """A booted box, nothing of ours in it."""
    with Box("empty") as box:
        yield box


@pytest.fixture(scope="module")
def box() -> Iterator[Box]:
    """A booted box with the project installed as a package would."""
    with Box("gate") as box:
        box.install_project()
        yield box
