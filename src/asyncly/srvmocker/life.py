"""The life of a service, as those know it who wait for something that happens there."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING
from weakref import WeakSet

if TYPE_CHECKING:
    from .waiting import Bell

__all__ = ["Life", "Lives"]

_lock = threading.Lock()


class Life:
    """Whether something may still happen at a service.

    Attributes:
        end: why nothing does any more, in words; None while something may.
    """

    __slots__ = ("__weakref__", "_bells", "end")

    def __init__(self) -> None:
        self.end: str | None = None
        self._bells: WeakSet[Bell] | None = None  # made when it is needed: every start pays for it

    @property
    def is_over(self) -> bool:
        """Whether nothing happens any more."""
        return self.end is not None

    def begin(self) -> None:
        """Note that the service is served, maybe once more."""
        self.end = None

    def finish(self, why: str) -> None:
        """Note that it is served no more, and wake those who wait for what happens there."""
        self.end = why
        if self._bells is not None:
            with _lock:
                bells = tuple(self._bells)
            for bell in bells:
                bell.ring()

    def tell(self, bell: Bell) -> None:
        """Ring a bell at the end of this life, too."""
        with _lock:
            if self._bells is None:
                self._bells = WeakSet()
            self._bells.add(bell)


class Lives:
    """The lives of the services with which a handle of a test is registered: a gate, a stream.

    Args:
        bell: rung when one of them ends.
    """

    def __init__(self, bell: Bell) -> None:
        self._bell = bell
        self._known: WeakSet[Life] = WeakSet()
        self._was_registered = False

    def add(self, life: Life) -> None:
        """Note that the handle is registered with a service."""
        with _lock:
            self._was_registered = True
            self._known.add(life)
        life.tell(self._bell)

    @property
    def end(self) -> str | None:
        """Why nothing happens at any of the services any more; None while something may."""
        with _lock:
            ends = [life.end for life in self._known]
            if not self._was_registered or None in ends:
                return None
        return next(filter(None, ends), "the service is gone")
