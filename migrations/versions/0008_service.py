"""The service: access tokens, reviews of labels, what jobs may name, and jobs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def _text(*names: str, null: bool = False) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text(), nullable=null) for name in names]


def _times(*names: str, null: bool = False) -> list[sa.Column[sa.DateTime]]:
    return [sa.Column(name, sa.DateTime(), nullable=null) for name in names]


def _id() -> sa.Column[int]:
    return sa.Column("id", sa.Integer(), nullable=False)


def upgrade() -> None:
    op.create_table(
        "token",
        _id(),
        *_text("name", "hash", "scopes"),
        *_times("created_at", "expires_at"),
        *_times("used_at", "revoked_at", null=True),
        sa.PrimaryKeyConstraint("id", name="pk_token"),
        sa.UniqueConstraint("name", name="uq_token_name"),
        sa.UniqueConstraint("hash", name="uq_token_hash"),
    )
    op.create_table(
        "registered",
        _id(),
        *_text("kind", "name", "settings", "registered_by"),
        *_times("created_at"),
        sa.CheckConstraint("kind IN ('model', 'data')", name=op.f("ck_registered_kind")),
        sa.PrimaryKeyConstraint("id", name="pk_registered"),
        sa.UniqueConstraint("kind", "name", name="uq_registered_kind_name"),
    )
    _review()
    _job()


def _review() -> None:
    op.create_table(
        "review",
        _id(),
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("unit_id", sa.Integer(), nullable=False),
        *_text("method", "text", "verdict"),
        *_text("relabel", null=True),
        *_text("comment", "reviewer"),
        *_times("created_at"),
        sa.CheckConstraint("verdict IN ('accept', 'reject', 'relabel')", name=op.f("ck_review_verdict")),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name="fk_review_run_id_run", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["unit_id"], ["unit.id"], name="fk_review_unit_id_unit", ondelete="RESTRICT"),
        sa.PrimaryKeyConstraint("id", name="pk_review"),
    )
    op.create_index("ix_review_run_id_unit_id_method", "review", ["run_id", "unit_id", "method"])
    op.create_index("ix_review_unit_id", "review", ["unit_id"])


def _job() -> None:
    states = "state IN ('queued', 'leased', 'running', 'done', 'failed', 'cancelled')"
    op.create_table(
        "job",
        _id(),
        *_text("state", "request", "submitted_by"),
        *_times("created_at"),
        *_times("started_at", "finished_at", null=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("cancel", sa.Boolean(), nullable=False),
        *_text("step", "counted"),
        sa.Column("done", sa.BigInteger(), nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=False),
        *_text("owner", "token", null=True),
        *(sa.Column(name, sa.Double(), nullable=True) for name in ("lease_until", "not_before")),
        *_text("message"),
        sa.Column("run_id", sa.Integer(), nullable=True),
        sa.CheckConstraint(states, name=op.f("ck_job_state")),
        sa.CheckConstraint("attempts >= 0", name=op.f("ck_job_attempts")),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name="fk_job_run_id_run", ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id", name="pk_job"),
    )
    op.create_index("ix_job_state", "job", ["state"])
    op.create_index("ix_job_run_id", "job", ["run_id"])


def downgrade() -> None:
    for table, columns in (("job", ("run_id", "state")), ("review", ("unit_id", "run_id_unit_id_method"))):
        for name in columns:
            op.drop_index(f"ix_{table}_{name}", table)
    for table in ("job", "review", "registered", "token"):
        op.drop_table(table)
