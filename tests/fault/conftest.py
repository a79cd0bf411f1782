# SPDX-License-Identifier: MIT
"""A box with a real systemd and a second machine for the clients, for each module that asks."""

from collections.abc import Iterator

import pytest

from tests.support.box import Box
from tests.support.netns import ClientHost


@pytest.fixture(scope="module")
def box() -> Iterator[Box]:
    with Box("fault") as box:
        box.install_project()
        yield box


@pytest.fixture(scope="module")
def client_host(box: Box) -> Iterator[ClientHost]:
    with ClientHost(box, "10.77.3") as host:
        yield host
