"""Effects of switching units off."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

INDICES = ("layer_id", "unit_id", "concept_id", "q")
OWNERS = {"run": "CASCADE", "layer": "RESTRICT", "unit": "RESTRICT", "concept": "RESTRICT"}
CHECKS = {
    "how": "how IN ('mean', 'zero', 'resample')",
    "dose": "dose BETWEEN 0 AND 1",
    "controls": "controls >= 0",
    "p": "p BETWEEN 0 AND 1",
    "q": "q BETWEEN 0 AND 1",
}


def upgrade() -> None:
    op.create_table(
        "ablation",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("layer_id", sa.Integer(), nullable=False),
        sa.Column("unit_id", sa.Integer(), nullable=True),
        sa.Column("members", sa.Text(), nullable=False),
        sa.Column("concept_id", sa.Integer(), nullable=True),
        sa.Column("how", sa.Text(), nullable=False),
        sa.Column("dose", sa.Double(), nullable=False),
        sa.Column("measure", sa.Text(), nullable=False),
        *(sa.Column(name, sa.Double(), nullable=True) for name in ("effect", "interval_low", "interval_high", "control_mean")),
        sa.Column("controls", sa.Integer(), nullable=False),
        *(sa.Column(name, sa.Double(), nullable=True) for name in ("p", "q")),
        sa.Column("balance", sa.Text(), nullable=False),
        sa.Column("details", sa.Text(), nullable=False),
        *(sa.CheckConstraint(rule, name=op.f(f"ck_ablation_{name}")) for name, rule in CHECKS.items()),
        *(
            sa.ForeignKeyConstraint([f"{owner}_id"], [f"{owner}.id"], name=f"fk_ablation_{owner}_id_{owner}", ondelete=rule)
            for owner, rule in OWNERS.items()
        ),
        sa.PrimaryKeyConstraint("id", name="pk_ablation"),
        sa.UniqueConstraint(
            "run_id", "layer_id", "members", "concept_id", "how", "dose", "measure",
            name="uq_ablation_run_id_layer_id_members_concept_id_how_dose_measure",
        ),
    )  # fmt: skip
    for column in INDICES:
        op.create_index(f"ix_ablation_{column}", "ablation", [column])


def downgrade() -> None:
    for column in reversed(INDICES):
        op.drop_index(f"ix_ablation_{column}", "ablation")
    op.drop_table("ablation")
