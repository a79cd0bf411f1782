# SPDX-License-Identifier: MIT
"""What was measured, as a table for people or as JSON for machines."""

import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from socketgate import __version__
from tests.bench.measure import Line, Scale

PROJECT = Path(__file__).resolve().parents[2]
PEERS = ("haproxy", "xinetd", "ucspi-tcp", "tcpd", "libwrap0", "systemd", "gcc")


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A row, measured. `trouble` says why it could not be, or not to its end."""

    name: str
    title: str
    lines: Sequence[Line]
    notes: Sequence[str]
    trouble: str = ""


def machine() -> dict[str, str]:
    """Where and of what the figures are."""
    models = {
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    }
    return {
        "processor": f"{os.cpu_count()} x {', '.join(models) or platform.machine()}",
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load": " ".join(f"{load:.1f}" for load in os.getloadavg()) + " before",
        "socketgate": f"{__version__}, commit {commit()}",
        "others": ", ".join(f"{name} {version}" for name, version in versions().items()),
    }


def commit() -> str:
    """The checkout's commit, and whether the program differs from it."""
    git = ("git", "-C", str(PROJECT), "-c", f"safe.directory={PROJECT}")
    said = subprocess.run(
        (*git, "rev-parse", "--short", "HEAD"), capture_output=True, text=True, check=False
    )
    changed = subprocess.run(
        (*git, "diff", "--quiet", "HEAD", "--", "socketgate"), capture_output=True, check=False
    )
    return (said.stdout.strip() or "unknown") + ("" if changed.returncode == 0 else ", changed")


def versions() -> dict[str, str]:
    """The installed versions of what it is compared with and built by."""
    words = ("dpkg-query", "-W", "-f", "${Package} ${db:Status-Status} ${Version}\n", *PEERS)
    said = subprocess.run(words, capture_output=True, text=True, check=False).stdout
    rows = [line.split() for line in said.splitlines()]
    return {row[0]: row[2] for row in rows if row[1:2] == ["installed"]}


def say(text: str) -> None:
    """A line for people."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def show_head(where: Mapping[str, str], scale: Scale) -> None:
    """What all figures below have in common."""
    for name, value in where.items():
        say(f"{name:12}{value}")
    say(f"{'rounds':12}{scale.rounds}, interleaved; medians, and medians of the ratios of pairs")


def show(row: Measured) -> None:
    """One row of the table."""
    say(f"\n{row.name}: {row.title}")
    for line in row.lines:
        target = "" if line.target is None else f"at most {number(line.target)}"
        verdict = "" if line.target is None else ("MISSED" if line.is_missed else "ok")
        say(f"  {line.what:58}{number(line.value):>11} {line.unit:14}{target:15}{verdict}".rstrip())
    for note in row.notes:
        say(f"  note: {note}")
    if row.trouble:
        say(f"  NOT MEASURED: {row.trouble}")


def number(value: float) -> str:
    """Three significant digits, and never an exponent."""
    if abs(value) >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.3g}"


def as_json(where: Mapping[str, str], scale: Scale, rows: Sequence[Measured]) -> str:
    """Everything, for machines."""
    shown = [
        asdict(row) | {"lines": [asdict(line) | {"missed": line.is_missed} for line in row.lines]}
        for row in rows
    ]
    return json.dumps({"machine": dict(where), "scale": asdict(scale), "rows": shown}, indent=2)
