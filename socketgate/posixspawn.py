# SPDX-License-Identifier: MIT
"""posix_spawn(3) for the many clients of one program, with other threads going on meanwhile.

It returns when the child has become the program, and on a busy machine the child waits for a
processor until then. Python's own keeps the interpreter's lock all that time, so that no two starts
could overlap; ctypes lets go of it. What is the same for all clients is put together once.
"""

import ctypes
import os
from array import array
from collections.abc import Iterable, Sequence

#: More than any C library has in posix_spawn(3)'s two types (glibc: 80 and 336), and sigset_t.
ROOM_BYTES = 1024
#: POSIX_SPAWN_SETSIGDEF, spawn.h: in glibc as in musl.
SETSIGDEF = 0x04
#: Of module array: an unsigned long, which on Linux is as long as a pointer.
POINTER = "L"

Opaque = ctypes.Array[ctypes.c_char]


class Strings:
    """Texts as execve(2) takes them, a `char *[]`; first those of another one, which aren't copied.

    `address` holds for as long as the object is there.
    """

    def __init__(self, texts: Sequence[bytes], *, after: "Strings | None" = None) -> None:
        self._after = after  # whose texts we point to
        self._text = array("b", b"\0".join(texts) + b"\0")
        self.pointers: array[int] = array(POINTER) if after is None else after.pointers[:-1]
        begin, _ = self._text.buffer_info()
        for text in texts:
            self.pointers.append(begin)
            begin += len(text) + 1
        self.pointers.append(0)
        self.address: int = self.pointers.buffer_info()[0]


class Spawner:
    """Starts one program for clients, with the client on the descriptors `targets`."""

    def __init__(
        self,
        path: bytes,
        words: Sequence[bytes],
        *,
        targets: Sequence[int],
        default_signals: Iterable[int],
    ) -> None:
        self._libc = ctypes.CDLL(None)
        self._posix_spawn = self._libc.posix_spawn
        #: Addresses, all but the path: what ctypes makes of its own objects takes twice as long.
        self._posix_spawn.argtypes = [ctypes.c_void_p, ctypes.c_char_p, *[ctypes.c_void_p] * 4]
        self._path, self._words, self._targets = path, Strings(words), targets
        signals = ctypes.create_string_buffer(ROOM_BYTES)
        self._libc.sigemptyset(signals)
        for number in default_signals:
            self._libc.sigaddset(signals, number)
        self._attributes = ctypes.create_string_buffer(ROOM_BYTES)
        self._libc.posix_spawnattr_init(self._attributes)
        self._libc.posix_spawnattr_setsigdefault(self._attributes, signals)
        self._libc.posix_spawnattr_setflags(self._attributes, ctypes.c_short(SETSIGDEF))
        #: By the client's descriptor, of which the same few numbers come again and again.
        self._actions: dict[int, Opaque] = {}

    def start(self, environment: Strings, client: int) -> int:
        """The answer is its process. Raises OSError, and then there is none."""
        actions = self._actions.get(client)
        if actions is None:
            actions = self._actions[client] = self._actions_for(client)
        pid = ctypes.c_int()
        check(
            self._posix_spawn(
                ctypes.addressof(pid),
                self._path,
                ctypes.addressof(actions),
                ctypes.addressof(self._attributes),
                self._words.address,
                environment.address,
            )
        )
        return pid.value

    def _actions_for(self, client: int) -> Opaque:
        actions = ctypes.create_string_buffer(ROOM_BYTES)
        self._libc.posix_spawn_file_actions_init(actions)
        for target in self._targets:
            check(self._libc.posix_spawn_file_actions_adddup2(actions, client, target))
        return actions


def check(error: int) -> None:
    """posix_spawn(3) and its like return what others leave in errno. Raises OSError."""
    if error:
        raise OSError(error, os.strerror(error))
