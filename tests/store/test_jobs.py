"""The queue of jobs: leases, late results, killed workers, odd clocks, cancel, retry, and jobs that cannot succeed (trust.md R11)."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from dissect.errors import LeaseLostError, NotFoundError, UsageError
from dissect.probe.ledger import Stage
from dissect.store import JobClaim, Store
from dissect.store.database import guarded, writing
from dissect.store.jobs import MOST_ATTEMPTS, RETRY_SECONDS, JobQueue
from tests.store.made_up_runs import save_run, save_world, small_layer, spec
from tests.store.test_ledger import Clock

ROOT = Path(__file__).resolve().parents[2]
REQUEST = {"model": "demo", "data": "demo", "layers": ["layer6"]}


def taken(queue: JobQueue) -> JobClaim:
    """The next job, which must be there."""
    claim = queue.claim()
    assert claim is not None
    return claim


def test_jobs_are_taken_in_order_and_come_back_as_they_were_sent(store: Store) -> None:
    queue = store.jobs()
    one, two = queue.submit(REQUEST, "ann"), queue.submit({**REQUEST, "limit": 5}, "bob")
    assert (one.state, one.request, one.submitted_by, one.attempts, one.over) == ("queued", REQUEST, "ann", 0, False)
    claims = [queue.claim() for _ in range(3)]
    assert [claim and (claim.id, claim.attempt, claim.request.get("limit")) for claim in claims] == [
        (one.id, 1, None),
        (two.id, 1, 5),
        None,
    ]
    assert [job.id for job in queue.jobs()] == [two.id, one.id]
    assert [job.id for job in queue.jobs(before=two.id)] == [one.id]
    assert queue.jobs("queued") == []


def test_a_job_goes_its_way_with_its_run_and_its_progress(store: Store) -> None:
    queue = store.jobs()
    number = queue.submit(REQUEST, "ann").id
    claim = taken(queue)
    run = save_run(store)
    assert queue.renew(claim, "activations", 40, 200, "image") is False
    queue.began(claim, run.id)
    job = queue.job(number)
    assert (job.state, job.run_id, job.step, job.done, job.total, job.counted) == ("running", run.id, "activations", 40, 200, "image")
    queue.finish(claim, "done")
    job = queue.job(number)
    assert (job.state, job.owner, job.over) == ("done", None, True) and job.finished_at is not None and job.started_at is not None
    store.delete_run(run.id)
    assert queue.job(number).run_id is None


def test_a_worker_that_was_silent_too_long_is_refused_and_the_other_ones_word_stands(store: Store) -> None:
    clock = Clock()
    queue = store.jobs(lease_seconds=60, clock=clock)
    queue.submit(REQUEST, "ann")
    slow = taken(queue)
    clock.time += 59
    assert queue.claim() is None
    clock.time += 1
    quick = taken(queue)
    assert (quick.id, quick.attempt) == (slow.id, 2) and quick.token != slow.token
    for late in (
        lambda: queue.renew(slow),
        lambda: queue.began(slow, 1),
        lambda: queue.finish(slow, "failed", "late"),
        lambda: queue.retry(slow, ""),
    ):
        with pytest.raises(LeaseLostError, match=r"job 1 was taken over"):
            late()
    queue.release(slow)
    queue.finish(quick, "done")
    with pytest.raises(LeaseLostError):
        queue.finish(quick, "failed")
    queue.release(quick)
    assert queue.job(slow.id).state == "done"


def test_nothing_of_a_late_worker_gets_into_the_database(store: Store) -> None:
    """Its run too: the fence stands before every writing transaction, not only before those on the job."""
    clock = Clock()
    queue = store.jobs(lease_seconds=60, clock=clock)
    world = save_world(store)
    queue.submit(REQUEST, "ann")
    slow = taken(queue)
    held = store.held(queue, slow)
    run = held.begin_run(spec(world))
    clock.time += 61
    quick = taken(queue)
    mine = store.held(queue, quick)
    mine.begin_run(spec(world))
    mine.write_layer(run.id, small_layer())
    mine.finish_run(run.id)
    queue.finish(quick, "done")
    before = store.counts()
    for late in (
        lambda: held.begin_run(spec(world, "9" * 64)), lambda: held.write_layer(run.id, small_layer()), lambda: held.finish_run(run.id),
        lambda: held.fail_run(run.id, "late"), lambda: held.ledger(run.id).claim("5" * 64), lambda: held.save_images(1, []),
    ):  # fmt: skip
        with pytest.raises(LeaseLostError):
            late()
    assert (store.counts(), store.run(run.id).state) == (before, "done")
    assert held.unit("tiny", "conv1", 0).label is not None


@pytest.mark.postgres
def test_a_long_transaction_of_the_worker_keeps_a_takeover_away_but_no_wish_to_cancel(postgres_store: Store) -> None:
    clock = Clock()
    queue = postgres_store.jobs(lease_seconds=60, clock=clock)
    number = queue.submit(REQUEST, "ann").id
    claim = taken(queue)
    clock.time += 61
    with writing(guarded(postgres_store.engine, queue.guard(claim))):
        assert queue.claim() is None
        assert queue.cancel(number).cancel is True
        assert queue.renew(claim) is True
    clock.time += 61
    assert queue.claim() is None and queue.job(number).state == "cancelled"


def test_the_shards_of_a_worker_that_lost_its_job_are_free_at_once(store: Store) -> None:
    clock = Clock()
    queue = store.jobs(lease_seconds=60, clock=clock)
    queue.submit(REQUEST, "ann")
    held = store.held(queue, taken(queue)).ledger(clock=clock)
    stage = Stage("5" * 64, "tally", None, {})
    held.open(stage, [(0, 1), (1, 2)])
    shard = held.claim(stage.fingerprint)
    clock.time += 61
    assert shard is not None and store.ledger(clock=clock).claim(stage.fingerprint, shard.index) is None
    ledger = store.held(queue, taken(queue)).ledger(clock=clock)
    again = ledger.claim(stage.fingerprint, shard.index)
    assert again is not None
    with pytest.raises(LeaseLostError):
        held.complete(shard, "late", "c" * 64, 1, {})
    ledger.complete(again, "first", "c" * 64, 1, {})
    assert [found.file for found in store.ledger().done(stage.fingerprint)] == ["first"]


def test_a_run_that_is_done_is_not_made_failed_by_another_process(store: Store) -> None:
    run = save_run(store)
    assert store.fail_run(run.id, "late", interrupted=True).state == "done"


def test_a_renewed_lease_holds_longer_and_a_clock_set_back_hands_none_out_twice(store: Store) -> None:
    clock = Clock()
    queue = store.jobs(lease_seconds=60, clock=clock)
    queue.submit(REQUEST, "ann")
    claim = taken(queue)
    clock.time += 59
    queue.renew(claim)
    clock.time += 59
    assert queue.claim() is None
    clock.time -= 500_000
    assert queue.claim() is None
    clock.time += 60
    assert taken(queue).token != claim.token


def test_the_job_of_a_killed_worker_is_free_at_once(url: str) -> None:
    code = (
        "import sys\nfrom dissect.store import Store\nqueue = Store.open(sys.argv[1]).jobs(lease_seconds=9999)\n"
        "queue.submit({'model': 'demo'}, 'ann')\nassert queue.claim()\nprint('ready', flush=True)\nsys.stdin.read()"
    )
    with Store.open(url) as store:
        process = subprocess.Popen([sys.executable, "-c", code, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT)
        assert process.stdout is not None and process.stdin is not None
        process.stdout.readline()
        assert store.jobs().claim() is None
        process.kill()
        process.communicate()
        assert taken(store.jobs()).attempt == 2


def test_a_job_is_cancelled_at_once_while_it_waits_and_at_its_next_step_while_it_runs(store: Store) -> None:
    queue = store.jobs()
    waiting, running = queue.submit(REQUEST, "ann"), queue.submit(REQUEST, "ann")
    assert queue.cancel(waiting.id).state == "cancelled"
    claim = taken(queue)
    assert claim.id == running.id and queue.renew(claim) is False
    assert (queue.cancel(running.id).state, queue.cancel(running.id).cancel) == ("leased", True)
    assert queue.renew(claim) is True
    queue.finish(claim, "cancelled")
    assert queue.cancel(running.id).state == "cancelled"
    again = queue.resume(running.id)
    assert (again.state, again.cancel, again.attempts, again.finished_at) == ("queued", False, 0, None)
    assert taken(queue).id == running.id
    with pytest.raises(UsageError, match=r"job 2 is leased"):
        queue.resume(running.id)


def test_a_cancelled_job_whose_worker_died_is_not_taken_up(store: Store) -> None:
    clock = Clock()
    queue = store.jobs(lease_seconds=60, clock=clock)
    number = queue.submit(REQUEST, "ann").id
    taken(queue)
    queue.cancel(number)
    clock.time += 61
    assert queue.claim() is None
    assert queue.job(number).state == "cancelled"


def test_a_failure_that_may_pass_is_tried_again_later_and_not_for_ever(store: Store) -> None:
    clock = Clock()
    queue = store.jobs(lease_seconds=60, clock=clock)
    number = queue.submit(REQUEST, "ann").id
    for attempt in range(1, MOST_ATTEMPTS):
        assert queue.retry(taken(queue), "the database is busy") is True
        assert (queue.job(number).state, queue.job(number).message) == ("queued", "the database is busy")
        clock.time += RETRY_SECONDS * attempt - 1
        assert queue.claim() is None
        clock.time += 1
    assert queue.retry(taken(queue), "the database is busy") is False
    assert (queue.job(number).state, queue.job(number).attempts) == ("failed", MOST_ATTEMPTS)
    clock.time += 10_000
    assert queue.claim() is None
    assert queue.resume(number).attempts == 0


def test_a_job_that_kills_every_worker_blocks_nobody_and_fails_in_the_end(store: Store) -> None:
    clock = Clock()
    queue = store.jobs(lease_seconds=60, clock=clock)
    poison = queue.submit(REQUEST, "ann").id
    assert taken(queue).id == poison
    clock.time += 61
    good = [queue.submit(REQUEST, "ann").id for _ in range(3)]
    order = []
    while claim := queue.claim():
        order.append(claim.id)
        if claim.id == poison:
            clock.time += 61
        else:
            queue.finish(claim, "done")
    assert order == [*good, *[poison] * (MOST_ATTEMPTS - 1)]
    assert queue.job(poison).state == "failed"
    assert f"lost {MOST_ATTEMPTS} times" in queue.job(poison).message


def test_a_job_that_is_given_back_was_no_attempt(store: Store) -> None:
    queue = store.jobs()
    number = queue.submit(REQUEST, "ann").id
    for _ in range(2 * MOST_ATTEMPTS):
        queue.release(taken(queue))
    assert (queue.job(number).attempts, queue.job(number).state) == (0, "queued")


def test_many_workers_take_each_job_once(store: Store) -> None:
    for _ in range(24):
        store.jobs().submit(REQUEST, "ann")
    done: list[int] = []

    def work() -> None:
        queue = store.jobs()
        while claim := queue.claim():
            queue.finish(claim, "done")
            done.append(claim.id)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(done) == sorted(job.id for job in store.jobs().jobs("done"))
    assert len(done) == 24


def test_an_unknown_job_is_not_there(store: Store) -> None:
    queue = store.jobs()
    for number in (0, -1, 7, 2**40):
        for ask in (queue.job, queue.cancel, queue.resume):
            with pytest.raises(NotFoundError, match="no job"):
                ask(number)
    assert queue.jobs(before=2**80) == []
