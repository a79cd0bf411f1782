# SPDX-License-Identifier: MIT
"""A box for each module of tests under a real systemd, with the project installed."""

from collections.abc import Iterator

import pytest

from tests.support.box import Box
from tests.support.box_package import PROJECT


@pytest.fixture(scope="module", params=["nspawn", "unshare"])
def empty_box(request: pytest.FixtureRequest) -> Iterator[Box]:
    """A booted box, nothing of ours in it, made in either way."""
    with Box("empty", bind_ro={PROJECT: "/src"}, nspawn=request.param == "nspawn") as box:
        yield box


@pytest.fixture(scope="module")
def box() -> Iterator[Box]:
    """A booted box with the project installed as a package would."""
    with Box("gate") as box:
        box.install_project()
        yield box
