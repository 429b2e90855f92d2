"""One writing process of the contention tests: `python -m tests.store.writer URL SECONDS NAME`; prints how many transactions it wrote."""

from __future__ import annotations

import sys
import time

from dissect.probe.ledger import Stage
from dissect.store import Store
from tests.store.made_up_runs import save_world, small_layer, spec


def write_for(url: str, seconds: float, name: str) -> int:
    """Claim, check in, write layers and save, as a run does, until the time is over."""
    written = 0
    with Store.open(url) as store:
        fingerprint = name * 64
        run = store.begin_run(spec(save_world(store), fingerprint))
        ledger = store.ledger(run.id)
        stop = time.monotonic() + seconds
        while time.monotonic() < stop:
            stage = Stage(f"{name}{written:063x}", "tally", "conv1", {})
            ledger.open(stage, [(0, 1)])
            claim = ledger.claim(stage.fingerprint)
            assert claim is not None
            ledger.complete(claim, "file", "c" * 64, 1, {})
            store.write_layer(run.id, small_layer())
            written += 4
    return written


if __name__ == "__main__":
    print(write_for(sys.argv[1], float(sys.argv[2]), sys.argv[3]))
