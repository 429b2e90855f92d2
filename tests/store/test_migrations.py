"""Migrations on both databases (trust.md R7, R8): no row is lost, the schemas agree, a kill leaves the old or the new schema."""

from __future__ import annotations

import random
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, inspect, text

from dissect.errors import NotFoundError, NotSupportedError, SchemaError, StoreError
from dissect.paths import shipped
from dissect.store import Store, connect, migrate, revisions
from dissect.store import schema_version as version
from dissect.store.database import reading, writing
from dissect.store.fulltext import is_index
from dissect.store.schema import metadata
from tests.store.every_table import contents, fill, lost
from tests.store.made_up_runs import save_run

ROOT = Path(__file__).resolve().parents[2]
UPGRADE = """
import sys
from dissect.store import connect, revisions
engine = connect(sys.argv[1])
revisions.current(engine)
import alembic.command, alembic.autogenerate
print("ready", flush=True)
sys.stdin.readline()
for _ in range(50):
    revisions.upgrade(engine)
    revisions.downgrade(engine, "0001")
"""


@pytest.fixture
def rows(request: pytest.FixtureRequest) -> int:
    """Rows in every table: 300, or 10,000 with --long."""
    return 10_000 if request.config.getoption("--long") else 300


def test_the_program_knows_every_revision_there_is() -> None:
    scripts = ScriptDirectory(str(shipped("migrations")))
    found = [script.revision for script in scripts.walk_revisions()]
    assert tuple(reversed(found)) == version.REVISIONS
    assert scripts.get_heads() == [version.HEAD]


NEW_TABLES = {"0004": {"label_mask", "layer_method"}, "0005": {"ablation"}, "0006": {"audit", "finding"}, "0007": {"listed"}}
"""Tables that a revision after the first makes."""


@pytest.mark.parametrize("revision", version.REVISIONS)
def test_each_revision_to_head_to_base_to_head_loses_no_row(url: str, revision: str, rows: int) -> None:
    engine = connect(url)
    assert revisions.upgrade(engine, revision) == revision
    fill(engine, rows)
    before = contents(engine)
    assert {len(found) for found in before.values()} == {rows}
    assert revisions.upgrade(engine) == version.HEAD
    at_head = contents(engine)
    assert lost(before, at_head) == []
    assert (revisions.check(engine), revisions.differences(engine)) == ([], [])
    for older in reversed(version.REVISIONS[:-1]):
        assert revisions.downgrade(engine, older) == older
        oldest = contents(engine)
        assert set(at_head) - set(oldest) == set().union(*(names for made, names in NEW_TABLES.items() if made > older))
        assert lost({name: at_head[name] for name in oldest}, oldest) == []
        assert revisions.faults(engine) == []
    assert revisions.upgrade(engine) == version.HEAD
    assert lost(oldest, contents(engine)) == []
    assert revisions.downgrade(engine, "base") is None
    assert contents(engine) == {}
    assert revisions.upgrade(engine) == version.HEAD
    assert revisions.check(engine) == []
    assert set(contents(engine)) == set(metadata.tables)
    engine.dispose()


@pytest.mark.postgres
def test_both_databases_get_the_same_schema(sqlite_url: str, postgres_url: str) -> None:
    described = []
    for url in (sqlite_url, postgres_url):
        with Store.open(url) as store:
            described.append(described_schema(store.engine))
    assert described[0] == described[1]
    assert set(described[0]) >= set(metadata.tables)


def described_schema(engine: Engine) -> dict[str, Any]:
    """Tables with columns, keys, references, rules and indices, as far as both databases have them."""
    found = inspect(engine)
    return {
        table: {
            "columns": [(column["name"], kind(str(column["type"])), column["nullable"]) for column in found.get_columns(table)],
            "key": found.get_pk_constraint(table)["constrained_columns"],
            "references": sorted(
                (key["name"], key["constrained_columns"], key["referred_table"], key["options"].get("ondelete"))
                for key in found.get_foreign_keys(table)
            ),
            "unique": sorted((item["name"], item["column_names"]) for item in found.get_unique_constraints(table)),
            "checks": sorted(str(item["name"]) for item in found.get_check_constraints(table)),
            "indices": sorted(
                (item["name"], item["column_names"]) for item in found.get_indexes(table) if "duplicates_constraint" not in item
            ),
        }
        for table in sorted(name for name in found.get_table_names() if name != version.VERSION_TABLE and not is_index(name))
    }  # fmt: skip


def kind(name: str) -> str:
    names = {"DOUBLE PRECISION": "DOUBLE", "DOUBLE_PRECISION": "DOUBLE", "TIMESTAMP": "DATETIME", "BYTEA": "BLOB"}
    return names.get(name, name)


def test_every_constraint_has_a_name(store: Store) -> None:
    for table, found in described_schema(store.engine).items():
        for group, prefix in (("references", "fk_"), ("unique", "uq_"), ("indices", "ix_")):
            assert all(item[0].startswith(f"{prefix}{table}_") for item in found[group]), (table, group)
        assert all(re.fullmatch(rf"ck_{table}_(?!ck_)\w+", name) for name in found["checks"]), table


def test_rebuilding_a_parent_table_with_foreign_keys_on_is_stopped(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The trap: SQLite deletes the children silently. Without our care the guard must see it; with it nothing happens."""
    engine = connect(sqlite_url)
    revisions.upgrade(engine, "0001")
    fill(engine, 10)
    before = contents(engine)
    with monkeypatch.context() as patched:
        patched.setattr(revisions, "_foreign_keys", lambda *_: None)
        with pytest.raises(StoreError, match=r"lose 10 of 10 rows of table label_concept; nothing was changed"):
            revisions.upgrade(engine)
    assert revisions.current(engine) == "0001"
    assert contents(engine) == before
    revisions.upgrade(engine)
    assert lost(before, contents(engine)) == []
    engine.dispose()


def test_foreign_keys_are_on_again_after_a_migration(sqlite_url: str) -> None:
    with Store.open(sqlite_url) as store, reading(store.engine) as connection:
        assert connection.execute(text("PRAGMA foreign_keys")).scalar() == 1


def test_a_migration_that_breaks_references_is_undone(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = connect(sqlite_url)
    revisions.upgrade(engine, "0001")
    fill(engine, 3)
    real = revisions.Guard.after_step

    def harmful(self: revisions.Guard, **step: Any) -> None:
        self.connection.execute(text("UPDATE unit SET layer_id = 99 WHERE id = 2"))
        real(self, **step)

    monkeypatch.setattr(revisions.Guard, "after_step", harmful)
    with pytest.raises(StoreError, match=r"break references: table unit, row 2"):
        revisions.upgrade(engine)
    assert revisions.current(engine) == "0001"
    assert revisions.faults(engine) == []
    engine.dispose()


def test_an_old_database_asks_for_the_upgrade(url: str) -> None:
    engine = connect(url)
    revisions.upgrade(engine, "0001")
    for create in (True, False):
        with pytest.raises(SchemaError, match=r"has schema 0001, .* needs 0007.*dissect db upgrade") as caught:
            Store.open(url, create=create)
        assert caught.value.exit_code == 5
    assert "dissect db upgrade" in revisions.check(engine)[0]
    revisions.upgrade(engine)
    Store.open(url).close()
    engine.dispose()


def test_a_newer_database_is_refused(url: str) -> None:
    with Store.open(url) as store:
        _stamp(store.engine, "9999")
        for opening in (lambda: Store.open(url), lambda: migrate.upgrade(url), lambda: migrate.downgrade(url, "base")):
            with pytest.raises(StoreError, match=r"9999.*newer") as caught:
                opening()
            assert caught.value.exit_code == 1


def _stamp(engine: Engine, revision: str) -> None:
    with writing(engine) as connection:
        connection.execute(text(f"UPDATE {version.VERSION_TABLE} SET version_num = '{revision}'"))


def test_a_database_without_tables_is_not_made_where_none_is_asked_for(url: str) -> None:
    with pytest.raises(NotFoundError):
        Store.open(url, create=False)
    engine = connect(url)
    revisions.upgrade(engine)
    revisions.downgrade(engine, "base")
    with pytest.raises(NotFoundError, match=r"empty"):
        Store.open(url, create=False)
    engine.dispose()


def test_the_tables_of_another_program_are_left_alone(url: str) -> None:
    engine = connect(url)
    with writing(engine) as connection:
        connection.execute(text("CREATE TABLE label (theirs INTEGER)"))
    with pytest.raises(StoreError, match=r"another program \(label\)"):
        Store.open(url)
    with reading(engine) as connection:
        assert inspect(connection).get_table_names() == ["label"]
    engine.dispose()


@pytest.mark.postgres
def test_a_shared_team_database_may_hold_other_tables(postgres_url: str) -> None:
    engine = connect(postgres_url)
    with writing(engine) as connection:
        connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32))"))
        connection.execute(text("CREATE TABLE theirs (id INTEGER)"))
    with Store.open(postgres_url) as store:
        assert "theirs" not in store.counts()
        assert revisions.check(store.engine) == []
    engine.dispose()


def test_an_unknown_revision_is_refused(sqlite_store: Store) -> None:
    with pytest.raises(NotSupportedError, match=r"0001, 0002, 0003, 0004, 0005, 0006, 0007"):
        revisions.upgrade(sqlite_store.engine, "0815")


def test_a_database_with_another_shape_is_noticed(sqlite_store: Store) -> None:
    with writing(sqlite_store.engine) as connection:
        connection.execute(text("DROP INDEX ix_label_q"))
        connection.execute(text("ALTER TABLE run ADD COLUMN extra INTEGER"))
    assert len(revisions.check(sqlite_store.engine)) == 2


def test_two_processes_may_open_a_new_database_at_once(url: str) -> None:
    code = "import sys\nfrom dissect.store import Store\nsys.stdin.readline()\nprint(sum(Store.open(sys.argv[1]).counts().values()))"
    command, pipe = [sys.executable, "-c", code, url], subprocess.PIPE
    processes = [subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, cwd=ROOT) for _ in range(3)]
    answers = []
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(b"\n")
        process.stdin.flush()
    for process in processes:
        answers.append(process.communicate())
    assert [answer[0].strip() for answer in answers] == [b"0"] * 3, answers


@pytest.mark.slow
def test_a_kill_during_a_migration_leaves_the_old_or_the_new_schema(url: str, request: pytest.FixtureRequest) -> None:
    engine = connect(url)
    revisions.upgrade(engine, "0001")
    fill(engine, 500)
    before = contents(engine)
    dice = random.Random(8)
    seen = set()
    for _ in range(20 if request.config.getoption("--long") else 6):
        engine.dispose()
        command = [sys.executable, "-c", UPGRADE, url]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT) as process:
            assert process.stdin is not None and process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            process.stdin.write(b"\n")
            process.stdin.flush()
            time.sleep(dice.uniform(0.0, 0.8))
            process.kill()
        found = revisions.current(engine)
        seen.add(found)
        assert found in ("0001", version.HEAD)
        assert revisions.faults(engine) == []
        assert ("held_out_score" in contents(engine)["label"][0]) == (found == version.HEAD)
        assert lost(before, contents(engine)) == []
    revisions.upgrade(engine)
    assert revisions.check(engine) == []
    engine.dispose()


def test_results_survive_the_way_down_and_up(store: Store) -> None:
    save_run(store)
    before = store.unit("tiny", "conv1", 1)
    revisions.downgrade(store.engine, "0001")
    revisions.upgrade(store.engine)
    assert store.unit("tiny", "conv1", 1) == before


def test_alembic_alone_cannot_bypass_the_checks() -> None:
    from alembic import command
    from alembic.config import Config

    from dissect.errors import UsageError

    config = Config()
    config.set_main_option("script_location", str(shipped("migrations")))
    with pytest.raises(UsageError, match=r"dissect db upgrade"):
        command.upgrade(config, "head")


def test_the_commands_of_dissect_db_work_by_address(url: str, tmp_path: Path) -> None:
    assert migrate.upgrade(url, "0001") == "0001"
    assert (migrate.current(url), migrate.head()) == ("0001", version.HEAD)
    assert "dissect db upgrade" in migrate.verify(url, tmp_path)[0]
    assert migrate.upgrade(url) == migrate.current(url) == version.HEAD
    assert (migrate.check(url), migrate.verify(url, tmp_path)) == ([], [])
    if url.startswith("sqlite"):
        assert migrate.backup(url, tmp_path / "copy.db") > 0
        assert migrate.verify(f"sqlite:///{tmp_path / 'copy.db'}") == []
    assert migrate.downgrade(url, "base") is None


def test_a_database_that_is_not_there_is_not_made_by_asking(sqlite_url: str, tmp_path: Path) -> None:
    for ask in (migrate.current, migrate.check, migrate.verify, lambda url: migrate.backup(url, tmp_path / "copy.db")):
        with pytest.raises(NotFoundError, match=r"no database"):
            ask(sqlite_url)
    assert list(tmp_path.iterdir()) == []
