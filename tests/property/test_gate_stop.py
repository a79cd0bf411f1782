# SPDX-License-Identifier: MIT
"""What holds for a gate that stops, whatever its clients have come to."""

import asyncio
import tempfile
from dataclasses import replace
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from socketgate.lookup_values import Found
from socketgate.rules.request import CommandStatus, Need, Request
from tests.support.clients import client_of
from tests.support.gatestage import Stage, staged

#: What clients have to wait for: nothing, a name, commands, and commands after names.
RULES = st.sampled_from(
    (
        "",
        "ALL: ALL\n",
        "ALL: .bad.example.org\n",
        "ALL: ALL: aclexec /bin/x: allow\n",
        "ALL: ALL: spawn /bin/x: allow\n",
        "ALL: .bad.example.org: rfc931: aclexec /bin/x\nALL: LOCAL: rfc931: banners /nowhere\n",
    )
)
#: After so many turns of the loop there is an answer; None: never.
TURNS = st.integers(0, 12) | st.none()


async def turn(count: int | None) -> None:
    if count is None:
        await asyncio.Event().wait()
    for _ in range(count or 0):
        await asyncio.sleep(0)


@settings(max_examples=100)
@given(rules=RULES, answers=st.lists(TURNS, min_size=4, max_size=12), before=st.integers(0, 12))
def test_every_client_has_one_end(rules: str, answers: list[int | None], before: int) -> None:
    """Who was accepted is in one entry, and nobody waits any more."""

    async def scene(stage: Stage) -> None:
        waits = iter(answers)

        async def look_up(need: Need, _request: Request) -> Found:
            await turn(next(waits, 1))
            return Found(0 if isinstance(need.fact, CommandStatus) else b"good.example.org")

        stage.gate._stations = replace(stage.gate._stations, look_up=look_up)
        clients = [client_of(stage.listener) for _ in answers]
        try:
            await turn(before)
            await stage.gate.stop(0)
        finally:
            for client in clients:
                client.close()
        accepted = next(stage.gate._stations.numbers) - 1
        assert (sum(stage.gate.audit.counts.values()), stage.gate.waiting_count) == (accepted, 0)

    with tempfile.TemporaryDirectory() as folder:
        staged(Path(folder), scene, deny=rules)
