# SPDX-License-Identifier: MIT
"""The file all gates take their bans from: a log that is only appended to, and renewed when long.

Writers hold flock(2) on a file beside it; a reader needs no lock: a line counts once its newline is
there. A gate keeps the file open and reads on from where it was; when the log was renewed, the
header says of which file, up to which size, the bans up to BASE are the essence, so that who had
read so far need not read 100,000 bans again. docs/bans.md has the whole story.
"""

import contextlib
import errno
import fcntl
import os
import stat
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from socketgate.banlog import (
    MAX_HEADER_BYTES,
    Header,
    StoreDamaged,
    encode_event,
    parse_header,
    parse_lines,
    read_log,
)
from socketgate.bans import Ban, Bans, Event
from socketgate.wholefile import replacing
from socketgate.wording import count

#: The log is renewed when it is this much longer than twice what it was when new, in bytes.
SLACK_BYTES = 256 * 1024

#: Enough for 100,000 bans ten times over; a longer file is not of our making.
MAX_BYTES = 256 * 1024 * 1024

#: Everybody may read it, and the admins' group bans.
STORE_MODE = 0o664

#: Of the lock, whatever the umask of who was the first to ban: whoever can open it can take it, and
#: keep everybody from banning.
LOCK_MODE = 0o660
#: How long others may have it, and between two tries to take it, in seconds.
LOCK_SECONDS = 30.0
LOCK_POLL_SECONDS = 0.005

REMEDY = "'socketgate bans' keeps the file aside and writes a new one"
_OPEN = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


class Store:
    """The file for those who change it. Every method raises OSError."""

    def __init__(self, path: Path, *, lock_seconds: float = LOCK_SECONDS) -> None:
        self.path = path
        self._lock_seconds = lock_seconds
        #: What was found wrong with the file and done about it, for whoever is in charge.
        self.troubles: list[str] = []

    def append(self, events: Sequence[Event], now: float) -> None:
        """In force for every gate as soon as this returns, or a moment later."""
        with self._locked():
            fd = self._open_for_appending(now)
            try:
                _append_all(fd, b"".join(map(encode_event, events)))
                size = os.fstat(fd).st_size
                base = parse_header(os.pread(fd, MAX_HEADER_BYTES, 0)).base
            finally:
                os.close(fd)
            if size > 2 * base + SLACK_BYTES:
                self._renew(now)

    def bans(self, now: float) -> list[Ban]:
        """Those that have not run out. A damaged file is kept aside if we may."""
        bans, is_damaged = self._read(now)
        if is_damaged:
            with contextlib.suppress(OSError), self._locked():
                self._renew(now)
        return [ban for ban in bans if ban.until > now]

    def _read(self, now: float) -> tuple[Bans, bool]:
        bans = Bans()
        try:
            data = _read_file(self.path)
        except FileNotFoundError:
            return bans, False
        reading, is_damaged = read_log(data)
        for event in reading.events:
            bans.apply(event)
        bans.expire(now)
        return bans, is_damaged

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        path = self.path.with_name(self.path.name + ".lock")
        lock = os.open(path, os.O_CREAT | _OPEN, LOCK_MODE)
        try:
            with contextlib.suppress(PermissionError):  # it is another's, who has seen to it
                os.fchmod(lock, LOCK_MODE)
            self._wait_for(lock, path)
            yield
        finally:
            os.close(lock)

    def _wait_for(self, lock: int, path: Path) -> None:
        until = time.monotonic() + self._lock_seconds
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError as error:
                if time.monotonic() > until:
                    waited = f"locked for {self._lock_seconds:g} s now"
                    text = f"{waited}: 'fuser -v {path}' says by whom"
                    raise OSError(errno.ETIMEDOUT, text) from error
            time.sleep(LOCK_POLL_SECONDS)  # flock(2) has no deadline; commands call this, no gate

    def _open_for_appending(self, now: float) -> int:
        """The file, whole and ending in a newline."""
        try:
            fd = os.open(self.path, os.O_RDWR | os.O_APPEND | _OPEN)
        except FileNotFoundError:
            self._replace(Header(_new_id()), b"")
            return os.open(self.path, os.O_RDWR | os.O_APPEND | _OPEN)
        try:
            is_whole = _is_whole(fd)
        except BaseException:  # nothing stays behind, whatever it was; it is raised on
            os.close(fd)
            raise
        if is_whole:
            return fd
        os.close(fd)
        self._renew(now)
        return os.open(self.path, os.O_RDWR | os.O_APPEND | _OPEN)

    def _renew(self, now: float) -> None:
        """Write what still counts into a new file; a damaged one is kept under another name."""
        bans, is_damaged = self._read(now)
        data = _read_file(self.path)
        if is_damaged:
            aside = self._keep_aside(data, now)
            read = count(bans.count, "ban")
            self.troubles.append(
                f"{self.path} was damaged: {read} could be read and count; the file as it was is "
                f"kept as {aside}"
            )
        try:
            earlier = (parse_header(data).id, len(data)) if not is_damaged else ("-", 0)
        except StoreDamaged:
            earlier = ("-", 0)
        body = b"".join(encode_event(ban) for ban in bans)
        self._replace(Header(_new_id(), 0, *earlier), body)

    def _replace(self, header: Header, body: bytes) -> None:
        base = len(header.encode()) + len(body)
        header = Header(header.id, base, header.earlier_id, header.earlier_size)
        with replacing(self.path, STORE_MODE) as file:
            file.write(header.encode() + body)
            file.flush()
            os.fdatasync(file.fileno())

    def _keep_aside(self, data: bytes, now: float) -> Path:
        aside = self.path.with_name(f"{self.path.name}.damaged-{int(now)}")
        with replacing(aside, STORE_MODE) as file:
            file.write(data)
        return aside


class StoreReader:
    """A gate's view of the store: keeps `bans` as the file says they are."""

    def __init__(self, path: Path, bans: Bans) -> None:
        self.path = path
        self._bans = bans
        self._fd = -1
        self._id = ""
        self._offset = 0
        #: The last try to read it failed: there may be bans that don't count yet.
        self.is_behind = False

    def refresh(self) -> list[str]:
        """Read what is new. The answer: what is wrong with the file, for the journal."""
        self.is_behind = False
        try:
            troubles = self._read_on()
            if not self._is_current():
                troubles += self._change_over()
        except OSError as error:
            self.is_behind = True
            return [f"{self.path}: bans can't be read: {error.strerror}"]
        return troubles

    def close(self) -> None:
        """Let go of the file; the bans stay as they are."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def _is_current(self) -> bool:
        """Whether the path still leads to the file we have open, and it has not shrunk."""
        try:
            there = self.path.lstat()
        except FileNotFoundError:  # what could not be read before may be gone now
            return False
        if self._fd < 0:
            return False
        ours = os.fstat(self._fd)
        return (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino) and (
            ours.st_size >= self._offset
        )

    def _change_over(self) -> list[str]:
        """Another file is there, or none. The bans stay as they are until it is read."""
        earlier = (self._id, self._offset)
        self.close()
        self._id, self._offset = "", 0
        try:
            self._fd = os.open(self.path, os.O_RDONLY | _OPEN)
        except FileNotFoundError:
            self._bans.clear()
            return []
        try:
            return self._begin(*earlier)
        except OSError:
            self.close()
            self._id = ""  # what we have is not this file's: no other one goes on from it
            raise

    def _begin(self, earlier_id: str, earlier_size: int) -> list[str]:
        """The file was just opened: take it in, or what it adds to the earlier one."""
        _check_regular(self._fd)
        beginning = os.pread(self._fd, MAX_HEADER_BYTES, 0)
        troubles = []
        goes_on = False
        try:
            header = parse_header(beginning)
        except StoreDamaged:
            troubles.append(f"{self.path}: its first line is damaged: {REMEDY}")
        else:
            goes_on = (earlier_id, earlier_size) == (header.earlier_id, header.earlier_size)
            self._id = header.id
            self._offset = header.base if goes_on else beginning.index(b"\n") + 1
        data = _pread_all(self._fd, self._offset)
        if not goes_on:
            self._bans.clear()
        return troubles + self._take_in(data)

    def _read_on(self) -> list[str]:
        return [] if self._fd < 0 else self._take_in(_pread_all(self._fd, self._offset))

    def _take_in(self, data: bytes) -> list[str]:
        """Every complete line after those taken in already."""
        data = data[: data.rfind(b"\n") + 1]
        reading = parse_lines(data)
        self._offset += len(data)
        for event in reading.events:
            self._bans.apply(event)
        if reading.bad_count and self._id:
            left_out = count(reading.bad_count, "damaged line")
            return [f"{self.path}: {left_out} left out: {REMEDY}"]
        return []


def _is_whole(fd: int) -> bool:
    """What can be told at once: a right beginning, and no half line at the end."""
    _check_regular(fd)
    try:
        parse_header(os.pread(fd, MAX_HEADER_BYTES, 0))
    except StoreDamaged:
        return False
    return os.pread(fd, 1, os.fstat(fd).st_size - 1) == b"\n"


def _check_regular(fd: int) -> None:
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "not a regular file")
    if status.st_size > MAX_BYTES:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))


def _read_file(path: Path) -> bytes:
    fd = os.open(path, os.O_RDONLY | _OPEN)
    try:
        _check_regular(fd)
        return _pread_all(fd, 0)
    finally:
        os.close(fd)


def _pread_all(fd: int, offset: int) -> bytes:
    parts = []
    while part := os.pread(fd, 1 << 20, offset):
        parts.append(part)
        offset += len(part)
    return b"".join(parts)


def _append_all(fd: int, data: bytes) -> None:
    """All of it or, where there is no room, nothing."""
    size = os.fstat(fd).st_size
    try:
        _write_all(fd, data)
    except OSError:
        os.ftruncate(fd, size)
        raise


def _write_all(fd: int, data: bytes) -> None:
    """One write(2) for all but the largest, so that a reader sees all of it or nothing."""
    while data:
        data = data[os.write(fd, data) :]


def _new_id() -> str:
    return f"{int(time.time()):x}-{os.urandom(6).hex()}"
