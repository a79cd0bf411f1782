# SPDX-License-Identifier: MIT
"""A box for each module of tests under a real systemd, with the project installed.

Some modules' boxes are other systems with the packages installed: INSTALLED. `--system sid` takes
these alone, with another release of Debian, in all packages: `tests/run systemd -- --system sid`.
"""

from collections.abc import Iterator
from typing import NamedTuple

import pytest

from tests.support.box import Box
from tests.support.box_package import PROJECT
from tests.support.packages import KINDS, PackageManager, packages
from tests.support.roots import SYSTEMS, make_root

#: Modules whose tests have to hold for what the packages install.
OF_THE_PACKAGES = {"test_sshd"}


class Installed(NamedTuple):
    """A package in a release of Debian."""

    suite: str
    kind: str

    def __str__(self) -> str:
        return f"{self.kind}-{self.suite}"


#: Each kind of package, each version of systemd: in every run.
INSTALLED = (
    Installed("bookworm", "deb"),
    Installed("trixie", "deb"),
    Installed("bookworm", "rpm"),
    Installed("trixie", "arch"),
)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--system", choices=SYSTEMS, help="test all packages in this release of Debian, only those"
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run some modules once for each way the project gets onto a machine."""
    if "box" not in metafunc.fixturenames:
        return
    name = metafunc.module.__name__.rpartition(".")[2]
    suite = metafunc.config.getoption("system", None)
    ways: list[Installed | None] = [None] if suite is None else []
    if name in OF_THE_PACKAGES:
        ways += INSTALLED if suite is None else [Installed(suite, kind) for kind in KINDS]
    if ways != [None]:
        metafunc.parametrize(
            "box", ways, indirect=True, scope="module", ids=lambda way: str(way or "checkout")
        )


@pytest.fixture(scope="module", params=["nspawn", "unshare"])
def empty_box(request: pytest.FixtureRequest) -> Iterator[Box]:
    """A booted box, nothing of ours in it, made in either way."""
    with Box("empty", bind_ro={PROJECT: "/src"}, nspawn=request.param == "nspawn") as box:
        yield box


@pytest.fixture(scope="module")
def box(request: pytest.FixtureRequest) -> Iterator[Box]:
    """A booted box with the project installed: from the sources, or by a package."""
    way = getattr(request, "param", None)
    if way is None:
        with Box("gate") as box:
            box.install_project()
            yield box
    else:
        with Box("gate", root=make_root(way.suite), bind_ro={packages(): "/packages"}) as box:
            PackageManager(box, way.kind, "/packages").install()
            yield box
