"""Room at every label for what tells whether it is true: held-out score, interval, chance, certificate.

SQLite rebuilds the table. What is rebuilt is written out below: what Alembic reads back from SQLite (above all, checks) depends on
its version. `op.f` marks a name as complete, else the naming convention would be applied to it again.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

COLUMNS = {
    "held_out_score": sa.Double(),
    "held_out_agrees": sa.Boolean(),
    "interval_low": sa.Double(),
    "interval_high": sa.Double(),
    "null_kind": sa.Text(),
    "permutations": sa.Integer(),
    "p": sa.Double(),
    "q": sa.Double(),
    "split_hash": sa.Text(),
    "certificate": sa.Text(),
    "certificate_space": sa.Text(),
}
CHECKS = {"ck_label_p": "p BETWEEN 0 AND 1", "ck_label_q": "q BETWEEN 0 AND 1"}


def upgrade() -> None:
    with op.batch_alter_table("label", copy_from=_label_of_0001()) as batch:
        for name, kind in COLUMNS.items():
            batch.add_column(sa.Column(name, kind, nullable=True))
        for name, rule in CHECKS.items():
            batch.create_check_constraint(op.f(name), sa.text(rule))
    op.create_index("ix_label_q", "label", ["q"])


def downgrade() -> None:
    op.drop_index("ix_label_q", "label")
    table = _label_of_0001()
    for name, kind in COLUMNS.items():
        table.append_column(sa.Column(name, kind, nullable=True))
    for name, rule in CHECKS.items():
        table.append_constraint(sa.CheckConstraint(rule, name=op.f(name)))
    with op.batch_alter_table("label", copy_from=table) as batch:
        for name in CHECKS:
            batch.drop_constraint(op.f(name), type_="check")
        for name in reversed(COLUMNS):
            batch.drop_column(name)


def _label_of_0001() -> sa.Table:
    text = ("kind", "method", "profile")
    return sa.Table(
        "label",
        sa.MetaData(),
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("unit_id", sa.Integer(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in text),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("category", sa.Text(), nullable=True),
        sa.Column("formula", sa.Text(), nullable=True),
        sa.Column("length", sa.Integer(), nullable=True),
        sa.Column("score", sa.Double(), nullable=True),
        sa.Column("score_kind", sa.Text(), nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=True) for name in ("intersection", "unit_area", "concept_area")),
        sa.Column("reachable", sa.Double(), nullable=True),
        sa.Column("detector", sa.Boolean(), nullable=True),
        sa.Column("details", sa.Text(), nullable=False),
        sa.CheckConstraint("kind IN ('concept', 'formula', 'description')", name=op.f("ck_label_kind")),
        sa.CheckConstraint("rank >= 1", name=op.f("ck_label_rank")),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name="fk_label_run_id_run", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["unit_id"], ["unit.id"], name="fk_label_unit_id_unit", ondelete="RESTRICT"),
        sa.PrimaryKeyConstraint("id", name="pk_label"),
        sa.UniqueConstraint("run_id", "unit_id", "kind", "method", "rank", name="uq_label_run_id_unit_id_kind_method_rank"),
        sa.Index("ix_label_category_score", "category", "score"),
        sa.Index("ix_label_method_score", "method", "score"),
        sa.Index("ix_label_run_id_score", "run_id", "score"),
        sa.Index("ix_label_unit_id", "unit_id"),
    )
