"""Tells of a loop that is blocked while a client waits for the server in it: the classic deadlock.

An async test that calls its server by `requests.get(...)` waits for an answer that only the loop
can give that it blocks. The watchdog is a thread that asks every loop a few times a second to
show that it still turns. Of one that does not, while somebody waits for it, it says which line
blocks it and what to do; and it answers who waits, so that the test fails in place of hanging.
"""

from __future__ import annotations

import _thread
import logging
import os
import threading
import time
from time import monotonic
from typing import TYPE_CHECKING
from weakref import ref

from .standstill import LOOKS, Post

if TYPE_CHECKING:
    import asyncio

    from .host import Host
    from .standstill import Ward

__all__ = ["WATCHDOG", "Watchdog"]

_log = logging.getLogger("asyncly.srvmocker")

_clock_of = getattr(time, "pthread_getcpuclockid", None)

_PATIENCE = 1.0
"""Seconds that a loop may stand still while a client waits."""


class Watchdog:
    """Watches loops, on a thread that is there while there are some.

    The thread is one that `threading` does not know of: a test that counts the threads of its
    client shall not find ours.

    Args:
        patience: seconds that a loop may stand still while a client waits.
    """

    def __init__(self, patience: float = _PATIENCE) -> None:
        self._pause = patience / LOOKS
        self._wards: dict[int, Ward] = {}
        self._posts: dict[int, Post] = {}
        self._is_awake = False
        self._lock = threading.Lock()
        self._told = self._ended = threading.Lock()

    def watch(self, host: Host, loop: asyncio.AbstractEventLoop, *, is_own: bool = False) -> Ward:
        """Watch the loop of this thread, in which a host is served, until `leave`.

        Every start of a service pays for it, so it does next to nothing.

        Args:
            host: what is served.
            loop: where; it runs, or will.
            is_own: whether it is a loop of ours, in which nothing but the host runs.
        """
        thread = _thread.get_ident()
        # Here, in that thread: it may crash for one that has ended.
        clock = None if _clock_of is None else _clock_of(thread)
        ward = (ref(host), ref(loop), thread, clock, is_own)
        self._wards[id(ward)] = ward
        if not self._is_awake:
            self.wake()
        return ward

    def leave(self, ward: Ward) -> None:
        """Watch it no more."""
        self._wards.pop(id(ward), None)

    # --- the thread ---------------------------------------------------------------------

    def wake(self) -> None:
        """Begin to look, if there is something to watch."""
        with self._lock:
            if self._is_awake or not self._wards:
                return
            self._is_awake = True
            self._told, self._ended = threading.Lock(), threading.Lock()
            self._told.acquire()
            self._ended.acquire()
            try:
                _thread.start_new_thread(self._run, (self._told, self._ended))
            except RuntimeError:  # no more threads, or the interpreter ends
                self._is_awake = False

    def sleep(self) -> None:
        """Look no more until `wake`, and wait for the end of the thread."""
        with self._lock:
            if self._is_awake:
                self._told.release()
                self._ended.acquire(timeout=1)
                self._is_awake = False

    def forget(self) -> None:
        """Watch nothing any more: this process is a copy of that in which the loops run."""
        self._wards.clear()
        self._is_awake = False
        self._lock = threading.Lock()

    def _run(self, told: threading.Lock, ended: threading.Lock) -> None:
        try:
            while not self._is_done():
                self._look()
                begun = monotonic()
                if told.acquire(timeout=self._pause):
                    return
                if monotonic() - begun > 2 * self._pause:  # all stood still: a laptop asleep
                    for post in self._posts.values():
                        post.forgive()
        finally:
            ended.release()

    def _is_done(self) -> bool:
        """Tell whether nothing is to be watched, and then be no longer awake.

        `watch` adds first and asks then whether the thread is awake; here it is the other way
        round, so one of the two sees what the other has done.
        """
        if self._wards:
            return False
        self._is_awake = False
        if not self._wards:
            return True
        with self._lock:
            if self._is_awake:  # another thread looks already
                return True
            self._is_awake = True
            return False

    def _look(self) -> None:
        before, self._posts = self._posts, {}
        for key, ward in tuple(self._wards.items()):
            post = before.get(key)
            if post is None or post.ward is not ward:
                post = Post(ward, self._pause)
            if post.is_over:
                self.leave(ward)
                continue
            self._posts[key] = post
            try:
                post.look()
            except Exception:
                if not post.is_over:  # it was closed meanwhile, or its thread has ended
                    _log.exception("the watchdog could not look at a loop")


WATCHDOG = Watchdog()
"""That of this process."""

if hasattr(os, "register_at_fork"):
    # A copy of the thread's locks must not be held, and the copy of a process must not answer
    # for the clients of the first one. Python itself warns of a fork beside threads.
    os.register_at_fork(
        before=WATCHDOG.sleep, after_in_parent=WATCHDOG.wake, after_in_child=WATCHDOG.forget
    )
