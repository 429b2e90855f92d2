"""Two processes probe the same at the same time, over one database: each shard is done once, both end with the same numbers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.faults.victim import IMAGES
from tests.probe.fakes import FakeSet
from tests.probe.helpers import tree

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import sys
from pathlib import Path
from dissect.atomic import write_text
from dissect.probe.cache import Cache
from dissect.probe.progress import Quiet
from dissect.probe.runner import probe
from dissect.store import Store
from tests.faults.victim import SETTINGS, Telling
from tests.probe.fakes import FakeSet
from tests.probe.helpers import result_hash

folder, name = Path(sys.argv[1]), sys.argv[2]
network, data = Telling(), FakeSet(folder / "images", count={images})
network.log = __import__("os").open(folder / name, 0o101 | 0o2000)
store = Store.open(f"sqlite:///{{folder / 'dissect.db'}}")
sys.stdout.write("ready\\n")
sys.stdout.flush()
sys.stdin.readline()
result = probe(network, data, SETTINGS, Cache(folder / "cache"), store.ledger(), Quiet())
print(result_hash(result))
store.close()
"""


def test_two_workers_share_the_shards_and_agree(tmp_path: Path) -> None:
    FakeSet(tmp_path / "images", count=IMAGES)
    command = [sys.executable, "-c", PROGRAM.format(images=IMAGES), str(tmp_path)]
    workers = []
    for name in ("one", "two"):
        worker = subprocess.Popen([*command, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n"
        workers.append(worker)
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("go\n")
        worker.stdin.flush()
    hashes = [worker.communicate(timeout=120)[0].strip() for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0]
    assert hashes[0] == hashes[1]
    assert len(hashes[0]) == 64
    forwarded = [int(line) for name in ("one", "two") for line in (tmp_path / name).read_text().split()]
    assert IMAGES <= sum(forwarded) <= 3 * IMAGES, "a layer's shard is computed once; layers of one shard may go to different workers"
    assert [name for name in tree(tmp_path / "cache") if Path(name).name.startswith(".")] == []
