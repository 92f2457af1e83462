"""A directory for what must be a file: private, and removed at exit."""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["PrivateDirectory"]


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
            self._path = Path(tempfile.mkdtemp(prefix="asyncly-"))  # it is 0700
            _remove_at_exit(self._path)
        return self._path


def _remove_at_exit(path: Path) -> None:
    atexit.register(_remove, path, os.getpid())
    multiprocessing = sys.modules.get("multiprocessing.util")
    if multiprocessing is not None:  # the children that it forks run nothing of atexit
        multiprocessing.Finalize(None, _remove, (path, os.getpid()), exitpriority=0)


def _remove(path: Path, owner: int) -> None:
    """Remove the directory, unless this is a forked child: it inherits what is to do at exit."""
    if os.getpid() == owner:
        shutil.rmtree(path, ignore_errors=True)
