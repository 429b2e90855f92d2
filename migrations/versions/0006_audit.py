"""Audits and what they found."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

CHECKS = {
    "kind": "kind IN ('description', 'response', 'effect', 'mask')",
    "state": "state IN ('found', 'not found', 'not testable')",
    "p": "p BETWEEN 0 AND 1",
    "q": "q BETWEEN 0 AND 1",
}


def upgrade() -> None:
    op.create_table(
        "audit",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("fingerprint", "against", "settings", "summary")),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name="fk_audit_run_id_run", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_audit"),
        sa.UniqueConstraint("run_id", "fingerprint", name="uq_audit_run_id_fingerprint"),
    )
    op.create_table(
        "finding",
        sa.Column("audit_id", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("unit_id", sa.Integer(), nullable=True),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("kind", "state", "layer", "subject", "value")),
        sa.Column("effect", sa.Double(), nullable=True),
        sa.Column("effect_name", sa.Text(), nullable=False),
        *(sa.Column(name, sa.Double(), nullable=True) for name in ("interval_low", "interval_high", "p", "q")),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("groups", "matched", "balance", "reason", "text", "details")),
        *(sa.CheckConstraint(rule, name=op.f(f"ck_finding_{name}")) for name, rule in CHECKS.items()),
        sa.ForeignKeyConstraint(["audit_id"], ["audit.id"], name="fk_finding_audit_id_audit", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["unit_id"], ["unit.id"], name="fk_finding_unit_id_unit", ondelete="RESTRICT"),
        sa.PrimaryKeyConstraint("audit_id", "position", name="pk_finding"),
    )
    op.create_index("ix_finding_unit_id", "finding", ["unit_id"])
    op.create_index("ix_finding_subject_state", "finding", ["subject", "state"])


def downgrade() -> None:
    op.drop_index("ix_finding_subject_state", "finding")
    op.drop_index("ix_finding_unit_id", "finding")
    op.drop_table("finding")
    op.drop_table("audit")
