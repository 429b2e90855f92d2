"""What lists and searches read: a narrow row for each label that can be shown, and the full-text index.

The program fills both when it next opens the database, since they only repeat what other tables hold.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

TEXTS = ("kind", "method", "category")
OWNERS = {"run": "CASCADE", "unit": "RESTRICT", "layer": "RESTRICT", "label": "CASCADE"}
INDICES = (
    ("run_id", "unit_id", "nth"),
    ("unit_id",),
    ("layer_id",),
    ("label_id",),
    ("weakness", "run_id", "unit_id", "nth"),
    ("place", "weakness", "run_id", "unit_id", "nth"),
    ("category", "weakness", "run_id", "unit_id", "nth"),
    ("method", "weakness", "run_id", "unit_id", "nth"),
    ("run_id", "position", "layer_id", "index", "nth"),
    ("q",),
)
OLD, NEW = ("concept_id",), ("concept_id", "score", "run_id", "unit_id")


def upgrade() -> None:
    op.create_table(
        "listed",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        *(sa.Column(f"{name}_id", sa.Integer(), nullable=name == "label") for name in OWNERS),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in ("nth", "position", "index")),
        sa.Column("place", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=True) for name in TEXTS),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("weakness", sa.Double(), nullable=False),
        *(sa.Column(name, sa.Double(), nullable=True) for name in ("score", "iou", "q")),
        *(sa.Column(name, sa.Boolean(), nullable=False) for name in ("detector", "survives")),
        *(
            sa.ForeignKeyConstraint([f"{owner}_id"], [f"{owner}.id"], name=f"fk_listed_{owner}_id_{owner}", ondelete=rule)
            for owner, rule in OWNERS.items()
        ),
        sa.PrimaryKeyConstraint("id", name="pk_listed"),
    )
    for columns in INDICES:
        op.create_index(f"ix_listed_{'_'.join(columns)}", "listed", list(columns))
    op.create_index(f"ix_unit_concept_{'_'.join(NEW)}", "unit_concept", list(NEW))
    op.drop_index(f"ix_unit_concept_{'_'.join(OLD)}", "unit_concept")
    if op.get_bind().dialect.name == "sqlite":
        op.execute("CREATE VIRTUAL TABLE fulltext USING fts5(doc, tokenize='ascii', prefix='2 3 4')")
    else:
        op.execute("CREATE TABLE fulltext (rowid BIGINT CONSTRAINT pk_fulltext PRIMARY KEY, doc TSVECTOR NOT NULL)")
        op.execute("CREATE INDEX ix_fulltext_doc ON fulltext USING gin (doc)")


def downgrade() -> None:
    op.execute("DROP TABLE fulltext")
    op.create_index(f"ix_unit_concept_{'_'.join(OLD)}", "unit_concept", list(OLD))
    op.drop_index(f"ix_unit_concept_{'_'.join(NEW)}", "unit_concept")
    for columns in reversed(INDICES):
        op.drop_index(f"ix_listed_{'_'.join(columns)}", "listed")
    op.drop_table("listed")
