"""How far the work is: a bar on a terminal, a line a minute otherwise, nothing when quiet."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import IO, Any, Protocol

from tqdm import tqdm


class Progress(Protocol):
    """Told what is being done. One step at a time; a step that is started again starts at nought."""

    def start(self, step: str, total: int, unit: str = "image") -> None:
        """A step of `total` units of work begins; it ends the one before."""
        ...

    def advance(self, n: int = 1) -> None:
        """`n` more units are done."""
        ...

    def done(self) -> None:
        """The step is over."""
        ...


class Quiet:
    """Says nothing."""

    def start(self, step: str, total: int, unit: str = "image") -> None:
        pass

    def advance(self, n: int = 1) -> None:
        pass

    def done(self) -> None:
        pass


class Bar:
    """A tqdm bar on a terminal."""

    def __init__(self, stream: IO[str] | None = None) -> None:
        self._stream = stream or sys.stderr
        self._bar: Any = None

    def start(self, step: str, total: int, unit: str = "image") -> None:
        self.done()
        self._bar = tqdm(total=total, desc=step, unit=unit, file=self._stream, dynamic_ncols=True, smoothing=0.05, leave=False)

    def advance(self, n: int = 1) -> None:
        if self._bar is not None:
            self._bar.update(n)

    def done(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None


@dataclass
class Lines:
    """A line at most every `every` seconds, with rate and remaining time, and one at the end of each step that took longer."""

    stream: IO[str] = field(default_factory=lambda: sys.stderr)
    every: float = 60.0
    clock: Callable[[], float] = time.monotonic
    _step: str = ""
    _total: int = 0
    _unit: str = ""
    _count: int = 0
    _began: float = 0.0
    _said: float = 0.0

    def start(self, step: str, total: int, unit: str = "image") -> None:
        self.done()
        self._step, self._total, self._unit, self._count = step, total, unit, 0
        self._began = self._said = self.clock()

    def advance(self, n: int = 1) -> None:
        self._count += n
        now = self.clock()
        if self._step and now - self._said >= self.every:
            self._said = now
            self._say(now)

    def done(self) -> None:
        if self._step and self._said > self._began and self._count:
            self._say(self.clock())
        self._step = ""

    def _say(self, now: float) -> None:
        rate = self._count / max(now - self._began, 1e-9)
        left = (self._total - self._count) / rate if rate > 0 else 0.0
        share = f"{self._count:,} of {self._total:,} {self._unit}s"
        print(f"{self._step}: {share}, {rate:.1f} {self._unit}s/s, {duration(left)} left", file=self.stream, flush=True)


def duration(seconds: float) -> str:
    """Seconds as people say them: `45 s`, `12 min`, `3 h 05 min`."""
    whole = round(seconds)
    if whole < 90:
        return f"{whole} s"
    if whole < 5400:
        return f"{round(whole / 60)} min"
    hours, rest = divmod(round(whole / 60), 60)
    return f"{hours} h {rest:02d} min"


def progress_for(stream: IO[str], *, quiet: bool = False) -> Progress:
    """The fitting one: silent if `quiet`, a bar on a terminal, else lines."""
    if quiet:
        return Quiet()
    return Bar(stream) if stream.isatty() else Lines(stream)
