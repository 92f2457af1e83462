"""A directory for what must be a file: private, and removed at exit.

A process that is killed runs nothing at exit. But the kernel takes back the lock that it held on
its directory, and by that the next process that makes one knows whose owner is gone.
"""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

if sys.platform != "win32":
    import fcntl

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["PrivateDirectory"]

_NEW, _LOCKED = "asyncly-new-", "asyncly-tls-"
"""What the names of directories begin with, before they are locked and from then on."""


class PrivateDirectory:
    """A directory that only this user may enter, made when it is needed and removed at exit.

    A forked child goes on with the directory of its parent and leaves the removing to it; when
    that is gone, it makes one of its own.
    """

    def __init__(self) -> None:
        self._path: Path | None = None

    def keep(self, name: str, content: bytes) -> str:
        """Return the path of a file with this content, written if it is not there.

        Args:
            name: what its name begins with. The content decides the rest: parent and child may
                write different ones.
            content: what stands in it.
        """
        path = self._make() / f"{name}-{sha256(content).hexdigest()[:16]}.pem"
        if not path.exists():
            with self.lend(content) as written:
                Path(written).replace(path)
        return str(path)

    @contextmanager
    def lend(self, content: bytes) -> Iterator[str]:
        """Give the path of a file that is there until the block is left."""
        number, path = tempfile.mkstemp(dir=self._make())  # it is 0600
        try:
            with os.fdopen(number, "wb") as file:
                file.write(content)
            yield path
        finally:
            Path(path).unlink(missing_ok=True)

    def _make(self) -> Path:
        if self._path is None or not self._path.is_dir():
            _remove_abandoned()
            self._path = _make_locked()
            _remove_at_exit(self._path)
        return self._path


def _make_locked() -> Path:
    """Make a directory and lock it while this process lives, or one that it has forked.

    Nobody closes the descriptor of the lock: the kernel does.
    """
    made = Path(tempfile.mkdtemp(prefix=_NEW))  # it is 0700
    if sys.platform != "win32":
        with suppress(OSError):  # a system of files without locks
            fcntl.flock(os.open(made, os.O_RDONLY), fcntl.LOCK_EX | fcntl.LOCK_NB)
    return made.rename(made.with_name(_LOCKED + made.name.removeprefix(_NEW)))


def _remove_abandoned() -> None:
    """Remove the directories of this user that no living process holds."""
    if sys.platform == "win32":
        return
    for found in Path(tempfile.gettempdir()).glob(_LOCKED + "*"):
        with suppress(OSError):  # it is held, or no directory, or somebody else's
            number = os.open(found, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                if os.fstat(number).st_uid == os.getuid():
                    fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(found, ignore_errors=True)
            finally:
                os.close(number)


def _remove_at_exit(path: Path) -> None:
    atexit.register(_remove, path, os.getpid())
    multiprocessing = sys.modules.get("multiprocessing.util")
    if multiprocessing is not None:  # the children that it forks run nothing of atexit
        multiprocessing.Finalize(None, _remove, (path, os.getpid()), exitpriority=0)


def _remove(path: Path, owner: int) -> None:
    """Remove the directory, unless this is a forked child: it inherits what is to do at exit."""
    if os.getpid() == owner:
        shutil.rmtree(path, ignore_errors=True)
