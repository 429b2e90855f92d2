"""Who holds a lease: a process of a machine, told apart from a later process with the same number.

A process that was killed cannot give its leases back. On its own machine that is seen at once (no such process, or one that started at
another time), so that the same command, run again, need not wait for the lease to run out.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path


def me() -> str:
    """The name of this process: machine, number, start."""
    return f"{socket.gethostname()}/{os.getpid()}/{_start(os.getpid())}"


def is_gone(owner: str) -> bool:
    """Whether the process of this name certainly ended. False whenever that cannot be known from here."""
    host, _, rest = owner.rpartition("/")
    host, _, number = host.rpartition("/")
    if host != socket.gethostname() or not number.isdigit():
        return False
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return bool(rest) and _start(int(number)) not in ("", rest)


def _start(process: int) -> str:
    """When a process started, in the kernel's own count with the boot it belongs to; "" where that is not told."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()[:8]
    except OSError:
        return ""
    return f"{boot}-{fields[19]}" if len(fields) > 19 else ""
