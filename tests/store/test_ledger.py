"""The queue of shards: leases, late results, killed workers, odd clocks (trust.md R11), and the ledger's contract on both databases."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dissect.errors import LeaseLostError, NotFoundError
from dissect.probe.ledger import Claim, Ledger, MemoryLedger, Stage
from dissect.store import CacheStage, Store
from dissect.store import owner as owners
from dissect.store.ledger import SqlLedger
from tests.store.made_up_runs import save_world, spec

ROOT = Path(__file__).resolve().parents[2]
STAGE = Stage("5" * 64, "activations", "conv1", {"dtype": "float16"})
RANGES = ((0, 100), (100, 200), (200, 250))


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.time = 1_000_000.0

    def __call__(self) -> float:
        return self.time


def complete(ledger: Ledger, claim: Claim | None, file: str = "f") -> None:
    """Check a claim in."""
    assert claim is not None
    ledger.complete(claim, file, "c" * 64, 10, {"images": claim.stop - claim.first})


def opened(store: Store, clock: Clock | None = None, run_id: int | None = None) -> SqlLedger:
    """A ledger with one stage of three shards."""
    ledger = store.ledger(run_id, lease_seconds=60, clock=clock)
    ledger.open(STAGE, RANGES)
    return ledger


def test_shards_are_taken_in_order_and_come_back_as_checked_in(store: Store) -> None:
    ledger = opened(store)
    claims = [ledger.claim(STAGE.fingerprint) for _ in range(4)]
    assert [(claim.index, claim.first, claim.stop) for claim in claims if claim] == [(0, 0, 100), (1, 100, 200), (2, 200, 250)]
    assert claims[3] is None
    complete(ledger, claims[2], "folder/00002.safetensors")
    (done,) = ledger.done(STAGE.fingerprint)
    assert (done.index, done.first, done.stop, done.file, done.size) == (2, 200, 250, "folder/00002.safetensors", 10)
    assert (done.sha256, done.counts, done.stage) == ("c" * 64, {"images": 50}, STAGE.fingerprint)


def test_a_known_stage_is_left_as_it_is(store: Store) -> None:
    ledger = opened(store)
    complete(ledger, ledger.claim(STAGE.fingerprint, 1))
    ledger.open(STAGE, ((0, 1),))
    assert [shard.index for shard in ledger.done(STAGE.fingerprint)] == [1]
    assert ledger.claim(STAGE.fingerprint, 1) is None


def test_a_rejected_shard_is_done_again(store: Store) -> None:
    ledger = opened(store)
    for _ in RANGES:
        complete(ledger, ledger.claim(STAGE.fingerprint))
    ledger.reject(STAGE.fingerprint, 1)
    assert [shard.index for shard in ledger.done(STAGE.fingerprint)] == [0, 2]
    again = ledger.claim(STAGE.fingerprint)
    assert again is not None and again.index == 1
    ledger.reject(STAGE.fingerprint, 1)
    complete(ledger, again, "new")
    assert ledger.done(STAGE.fingerprint)[1].file == "new"


def test_a_late_result_is_refused_and_the_first_stands(store: Store) -> None:
    clock = Clock()
    ledger = opened(store, clock)
    slow = ledger.claim(STAGE.fingerprint)
    clock.time += 61
    quick = ledger.claim(STAGE.fingerprint)
    assert slow is not None and quick is not None and slow.index == quick.index and slow.token != quick.token
    with pytest.raises(LeaseLostError, match=r"shard 0 .* its result stands"):
        complete(ledger, slow, "late while the other works")
    complete(ledger, quick, "first")
    with pytest.raises(LeaseLostError):
        complete(ledger, slow, "late")
    with pytest.raises(LeaseLostError):
        complete(ledger, quick, "twice")
    with pytest.raises(LeaseLostError):
        ledger.renew(slow)
    ledger.release(slow)
    assert [shard.file for shard in ledger.done(STAGE.fingerprint)] == ["first"]


def test_a_late_result_counts_if_nobody_took_over(store: Store) -> None:
    clock = Clock()
    ledger = opened(store, clock)
    claim = ledger.claim(STAGE.fingerprint)
    clock.time += 1_000
    complete(ledger, claim)
    assert len(ledger.done(STAGE.fingerprint)) == 1


def test_a_renewed_lease_holds_longer(store: Store) -> None:
    clock = Clock()
    ledger = opened(store, clock)
    claim = ledger.claim(STAGE.fingerprint, 0)
    assert claim is not None
    clock.time += 59
    ledger.renew(claim)
    clock.time += 59
    assert ledger.claim(STAGE.fingerprint, 0) is None
    clock.time += 1
    assert ledger.claim(STAGE.fingerprint, 0) is not None


def test_a_released_shard_is_open_at_once(store: Store) -> None:
    ledger = opened(store)
    claim = ledger.claim(STAGE.fingerprint)
    assert claim is not None
    ledger.release(claim)
    again = ledger.claim(STAGE.fingerprint)
    assert again is not None and again.index == claim.index and again.token != claim.token


def test_a_clock_set_back_hands_no_live_lease_out_twice_and_none_lasts_for_ever(store: Store) -> None:
    clock = Clock()
    ledger = opened(store, clock)
    claim = ledger.claim(STAGE.fingerprint, 0)
    clock.time -= 500_000
    assert ledger.claim(STAGE.fingerprint, 0) is None
    clock.time += 59
    assert ledger.claim(STAGE.fingerprint, 0) is None
    clock.time += 1
    taken = ledger.claim(STAGE.fingerprint, 0)
    assert taken is not None
    with pytest.raises(LeaseLostError):
        complete(ledger, claim)
    complete(ledger, taken)


def test_the_databases_own_clock_counts_seconds(store: Store) -> None:
    ledger = store.ledger(lease_seconds=0.0)
    ledger.open(STAGE, RANGES)
    first, second = ledger.claim(STAGE.fingerprint), ledger.claim(STAGE.fingerprint)
    assert first is not None and second is not None and first.index == second.index == 0
    lasting = store.ledger(lease_seconds=60.0)
    assert lasting.claim(STAGE.fingerprint, 1) is not None
    assert lasting.claim(STAGE.fingerprint, 1) is None


def test_the_shard_of_a_killed_process_is_free_at_once(url: str) -> None:
    code = (
        "import os, sys\nfrom dissect.probe.ledger import Stage\nfrom dissect.store import Store\n"
        "store = Store.open(sys.argv[1])\nledger = store.ledger(lease_seconds=9999)\n"
        "ledger.open(Stage('5' * 64, 'activations', 'conv1', {}), [(0, 1)])\n"
        "assert ledger.claim('5' * 64)\nprint(os.getpid(), flush=True)\nsys.stdin.read()"
    )
    with Store.open(url) as store:
        process = subprocess.Popen([sys.executable, "-c", code, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT)
        assert process.stdout is not None and process.stdin is not None
        process.stdout.readline()
        ledger = store.ledger()
        assert ledger.claim(STAGE.fingerprint) is None
        process.kill()
        process.communicate()
        assert ledger.claim(STAGE.fingerprint) is not None


def test_a_process_is_known_to_be_gone_only_if_that_is_certain() -> None:
    mine = owners.me()
    host, number, start = mine.rsplit("/", 2)
    assert int(number) == os.getpid()
    assert not owners.is_gone(mine)
    assert not owners.is_gone(f"another machine/{number}/{start}")
    assert not owners.is_gone(f"{host}/{number}/")
    assert not owners.is_gone("nonsense")
    assert owners.is_gone(f"{host}/{number}/another start") == (start != "")
    assert owners.is_gone(f"{host}/{2**22 + 1}/{start}")


def test_many_threads_commit_each_shard_once(store: Store) -> None:
    stage = Stage("6" * 64, "tally", None, {})
    store.ledger().open(stage, [(index, index + 1) for index in range(24)])
    taken: list[int] = []

    def work() -> None:
        ledger = store.ledger()
        while claim := ledger.claim(stage.fingerprint):
            complete(ledger, claim, f"{claim.index}")
            taken.append(claim.index)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == list(range(24))
    assert [shard.file for shard in store.ledger().done(stage.fingerprint)] == [str(index) for index in range(24)]


def test_stages_belong_to_runs_and_go_with_the_last_of_them(store: Store) -> None:
    world = save_world(store)
    one, two = store.begin_run(spec(world, "1" * 64)), store.begin_run(spec(world, "2" * 64))
    complete(opened(store, run_id=one.id), opened(store, run_id=two.id).claim(STAGE.fingerprint))
    store.ledger(two.id).open(Stage("6" * 64, "tally", "conv1", {}), [(0, 1)])
    progress = [(item.step, item.done, item.shards, item.size) for item in store.progress(two.id)]
    assert progress == [("activations", 1, 3, 10), ("tally", 0, 1, 0)]
    assert store.delete_run(two.id) == [CacheStage("tally", "6" * 64)]
    assert len(store.ledger().done(STAGE.fingerprint)) == 1
    assert store.delete_run(one.id) == [CacheStage("activations", STAGE.fingerprint)]
    assert (store.counts()["stage"], store.counts()["shard"]) == (0, 0)
    assert store.ledger().done(STAGE.fingerprint) == []
    with pytest.raises(NotFoundError, match=r"no stage"):
        store.ledger().claim(STAGE.fingerprint)


ACTIONS = st.lists(st.tuples(st.sampled_from(["claim", "complete", "release", "reject"]), st.integers(0, 2)), max_size=12)
FINGERPRINTS = (f"{number:064x}" for number in itertools.count())


@pytest.fixture(scope="module")
def embedded() -> Iterator[Store]:
    with Store.open("sqlite://") as store:
        yield store


@given(ACTIONS)
def test_the_ledger_in_sql_does_what_the_one_in_memory_does(embedded: Store, actions: list[tuple[str, int]]) -> None:
    stage = Stage(next(FINGERPRINTS), "tally", None, {})
    ledger: Ledger = embedded.ledger()
    memory = MemoryLedger()
    held: dict[int, tuple[Claim, Claim]] = {}
    for each in (memory, ledger):
        each.open(stage, RANGES)
    for action, index in actions:
        if action == "claim":
            ours, theirs = ledger.claim(stage.fingerprint, index or None), memory.claim(stage.fingerprint, index or None)
            assert (ours is None) == (theirs is None)
            if ours and theirs:
                assert (ours.index, ours.first, ours.stop) == (theirs.index, theirs.first, theirs.stop)
                held[ours.index] = (ours, theirs)
        elif action == "reject" and index not in held:
            ledger.reject(stage.fingerprint, index)
            memory.reject(stage.fingerprint, index)
        elif action in ("complete", "release") and index in held:
            for each, claim in zip((ledger, memory), held.pop(index), strict=True):
                complete(each, claim) if action == "complete" else each.release(claim)
        assert ledger.done(stage.fingerprint) == memory.done(stage.fingerprint)
