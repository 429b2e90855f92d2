"""Making room: delete a run with the cache only it used, or prune the cache to a size."""

from __future__ import annotations

from dissect.config import Config
from dissect.probe.cache import Cache
from dissect.store import Store


def delete_run(store: Store, config: Config, run_id: int) -> int:
    """Delete a run and the cache stages that no other run uses. Returns the bytes freed."""
    cache = Cache(config.cache)
    before = cache.size()
    for stage in store.delete_run(run_id):
        cache.remove(stage.step, stage.fingerprint)
    return before - cache.size()


def prune_cache(config: Config, store: Store, limit: int) -> tuple[int, int]:
    """Delete least recently used stages until the cache takes at most `limit` bytes. Returns bytes freed and bytes left.

    Stages of running runs are kept.
    """
    cache = Cache(config.cache)
    busy = {stage.fingerprint for run in store.runs(state="running", limit=1000) for stage in store.progress(run.id)}
    before = cache.size()
    cache.prune(limit, keep=busy)
    left = cache.size()
    return before - left, left
