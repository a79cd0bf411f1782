# SPDX-License-Identifier: MIT
"""Run the tests, tier by tier, and say at the end how it went: see tests/run.

Two lanes, one for each of two processors: the tiers that mostly wait run one after the other beside
the others, and what they print is shown when they end.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pytest

TESTS = Path(__file__).resolve().parents[1]

#: A tier that takes longer hangs; all of them together have 15 minutes.
TIER_SECONDS = 800

#: A single test that takes longer shows where it is, and goes on. The soak takes two minutes.
SLOW_TEST_SECONDS = 180


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """A kind of test: where they are, by what marker, and whether only root can run them.

    `is_beside`: they mostly wait, and run beside those of the other tiers.
    """

    name: str
    about: str
    places: tuple[str, ...]
    marker: str | None = None
    needs_root: bool = False
    is_default: bool = True
    is_beside: bool = False

    def files(self) -> list[Path]:
        """The test files there are."""
        found = []
        for place in self.places:
            path = TESTS / place
            found += sorted(path.rglob("test_*.py") if path.is_dir() else TESTS.glob(place))
        return found


TIERS = (
    Tier(name="lint", about="style, types, layers, documents", places=("test_*.py",)),
    Tier(name="unit", about="each module by itself, and what holds for all inputs",
         places=("unit", "property")),
    Tier(name="differential", about="the same questions to the real libwrap",
         places=("differential",), marker="differential"),
    Tier(name="integration", about="the real daemon on real sockets",
         places=("integration",), marker="integration", is_beside=True),
    Tier(name="fault", about="what is around the daemon breaks",
         places=("fault",), marker="fault", needs_root=True, is_beside=True),
    Tier(name="systemd", about="installed, under a real systemd",
         places=("systemd",), marker="systemd", needs_root=True),
    Tier(name="bench", about="figures, only when asked for",
         places=("bench",), marker="bench", needs_root=True, is_default=False),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a tier went. `trouble` says why it failed beyond tests that did."""

    tier: str
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    seconds: float = 0.0
    trouble: str = ""

    def is_good(self, *, is_ci: bool) -> bool:
        """Nothing failed; on CI, nothing was skipped either."""
        return not (self.failed or self.trouble or (self.skipped and is_ci))


def say(text: str) -> None:
    """A line to the user, in order with what the tests print."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def run_pytest(
    tier: Tier, arguments: Sequence[str], tally: Path, output: IO[str] | None
) -> int | None:
    """pytest's exit code for a tier; None if it had to be ended. Without an output it has ours."""
    words = [
        *(sys.executable, "-m", "pytest", "-q", "-rfEs", "--no-header", "--durations=3"),
        *("-o", f"faulthandler_timeout={SLOW_TEST_SECONDS}"),
        *("-p", "tests.support.tally", f"--tally={tally}"),
        *(("-m", tier.marker) if tier.marker else ()),
        *arguments,
        *(str(path.relative_to(TESTS.parent)) for path in tier.files()),
    ]
    try:
        return subprocess.run(
            words,
            cwd=TESTS.parent,
            timeout=TIER_SECONDS,
            check=False,
            stdout=output,
            stderr=None if output is None else subprocess.STDOUT,
        ).returncode
    except subprocess.TimeoutExpired:
        return None


def find_trouble(code: int | None, counts: Mapping[str, int], *, is_narrowed: bool) -> str:
    """What is wrong with a run of pytest that no failed test tells."""
    if code is None:
        return f"took longer than {TIER_SECONDS} s"
    if code == pytest.ExitCode.NO_TESTS_COLLECTED:
        return "" if is_narrowed else "has test files and no tests"
    if not counts or code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        return f"pytest ended with exit code {code}"
    return ""


def run_lane(tiers: Sequence[Tier], arguments: Sequence[str], *, is_beside: bool) -> list[Outcome]:
    """Run tiers one after the other; beside another lane each is silent until it ends."""
    outcomes = []
    for tier in tiers:
        title = f"\n{f' {tier.name}: {tier.about} ':-^80}"
        if is_beside:
            with tempfile.TemporaryFile("w+") as output:
                outcomes.append(run_tier(tier, arguments, output))
                output.seek(0)
                say(f"{title}\n{output.read()}")
        else:
            say(title)
            outcomes.append(run_tier(tier, arguments))
    return outcomes


def run_tiers(tiers: Sequence[Tier], arguments: Sequence[str]) -> list[Outcome]:
    """Run them, in two lanes if there are both kinds."""
    lanes = [[tier for tier in tiers if tier.is_beside is kind] for kind in (False, True)]
    with ThreadPoolExecutor() as pool:
        beside = pool.submit(run_lane, lanes[1], arguments, is_beside=bool(lanes[0]))
        return run_lane(lanes[0], arguments, is_beside=False) + beside.result()


def run_tier(tier: Tier, arguments: Sequence[str], output: IO[str] | None = None) -> Outcome:
    """Run a tier's tests and count them."""
    if not tier.files():
        return Outcome(tier=tier.name, trouble="has no test files")
    if tier.needs_root and os.geteuid() != 0:
        say(f"the tier {tier.name} needs root and is skipped")
        return Outcome(tier=tier.name, skipped=1)
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        tally = Path(folder, "tally")
        code = run_pytest(tier, arguments, tally, output)
        counts = json.loads(tally.read_text()) if tally.exists() else {}
    return Outcome(
        tier=tier.name,
        passed=counts.get("passed", 0) + counts.get("xfailed", 0),
        failed=counts.get("failed", 0) + counts.get("error", 0),
        skipped=counts.get("skipped", 0),
        seconds=time.monotonic() - start,
        trouble=find_trouble(code, counts, is_narrowed=bool(arguments)),
    )


def summarise(outcomes: Sequence[Outcome], seconds: float) -> bool:
    """Say how each tier and how all of them went. Whether it was good."""
    is_ci = bool(os.environ.get("CI"))
    say(f"\n{'tier':14}{'passed':>8}{'failed':>8}{'skipped':>8}{'seconds':>9}")
    for outcome in outcomes:
        remark = outcome.trouble or ("" if outcome.is_good(is_ci=is_ci) else "bad")
        say(
            f"{outcome.tier:14}{outcome.passed:8}{outcome.failed:8}{outcome.skipped:8}"
            f"{outcome.seconds:9.1f}  {remark}"
        )
    failed = sum(outcome.failed + bool(outcome.trouble) for outcome in outcomes)
    passed = sum(outcome.passed for outcome in outcomes)
    skipped = sum(outcome.skipped for outcome in outcomes)
    text = f" {failed} failed, {passed} passed, {skipped} skipped in {seconds:.1f}s "
    say(f"{text:=^80}")
    return all(outcome.is_good(is_ci=is_ci) for outcome in outcomes)


def main() -> int:
    """The exit code: 0 if everything that was to run did, and was good."""
    own, arguments = split_words(sys.argv[1:])
    parser = argparse.ArgumentParser(
        prog="tests/run",
        description="Run the tests: " + "; ".join(f"{tier.name} ({tier.about})" for tier in TIERS),
        epilog="What follows -- is for pytest.",
    )
    parser.add_argument("--no-install", action="store_true", help="use what is installed")
    parser.add_argument(
        "tiers", nargs="*", metavar="TIER", help=f"of {', '.join(tier.name for tier in TIERS)}"
    )
    chosen = parser.parse_args(own).tiers
    unknown = set(chosen) - {tier.name for tier in TIERS}
    if unknown:
        parser.error(f"there is no tier {', '.join(sorted(unknown))}")
    # A shell has what it starts in the background ignore Ctrl-C, and so would all that tests start.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    start = time.monotonic()
    tiers = [tier for tier in TIERS if tier.name in chosen or (not chosen and tier.is_default)]
    outcomes = run_tiers(tiers, arguments)
    return 0 if summarise(outcomes, time.monotonic() - start) else 1


def split_words(words: list[str]) -> tuple[list[str], list[str]]:
    """What stands before and after `--`."""
    place = words.index("--") if "--" in words else len(words)
    return words[:place], words[place + 1 :]


if __name__ == "__main__":
    sys.exit(main())
