# SPDX-License-Identifier: MIT
"""What the gates of one process have in common, each station by the type of what it does."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from socketgate.act import RunCommand, run_nothing
from socketgate.banner import BannerFiles
from socketgate.bans import Bans
from socketgate.config import Limits
from socketgate.descriptorstore import DescriptorStore
from socketgate.judge import Known, LookUp
from socketgate.lookup_values import Shares
from socketgate.reload import RulesInForce


@dataclass(frozen=True, slots=True, kw_only=True)
class Stations:
    """What a gate shares with the others of its process."""

    rules: RulesInForce
    #: Numbers connections; no two of a process have the same.
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    look_for_changes: Callable[[], None]
    known: Known
    look_up: LookUp
    deciding: Shares
    limits: Limits
    bans: Bans = field(default_factory=Bans)
    run_command: RunCommand = run_nothing
    banners: BannerFiles = field(default_factory=BannerFiles)
    store: DescriptorStore = field(default_factory=DescriptorStore)
    #: Has the loop look a little later, so that the next burst is larger.
    coalesce: Callable[[], None] = lambda: None
