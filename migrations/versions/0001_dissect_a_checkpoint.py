"""The tables that dissecting a checkpoint needs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    _create_networks()
    _create_data()
    _create_runs()
    _create_units()


def downgrade() -> None:
    for table in reversed(TABLES):
        op.drop_table(table)


TABLES = (
    "model",
    "checkpoint",
    "layer",
    "layer_alias",
    "unit",
    "dataset",
    "image",
    "category",
    "concept",
    "concept_edge",
    "run",
    "run_layer",
    "skipped",
    "stage",
    "run_stage",
    "shard",
    "unit_stat",
    "label",
    "label_concept",
    "unit_concept",
    "exemplar",
)


def _create_networks() -> None:
    op.create_table(
        "model",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("licence", sa.Text(), nullable=False),
        sa.Column("card", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_model"),
        sa.UniqueConstraint("name", name="uq_model_name"),
    )
    op.create_table(
        "checkpoint",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("model_id", sa.Integer(), nullable=False),
        sa.Column("weights_hash", sa.Text(), nullable=False),
        sa.Column("file_sha256", sa.Text(), nullable=True),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("step", sa.BigInteger(), nullable=True),
        sa.Column("describe", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["model_id"], ["model.id"], name="fk_checkpoint_model_id_model", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_checkpoint"),
        sa.UniqueConstraint("model_id", "weights_hash", name="uq_checkpoint_model_id_weights_hash"),
    )
    op.create_table(
        "layer",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("checkpoint_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("units", sa.Integer(), nullable=False),
        sa.Column("map_height", sa.Integer(), nullable=True),
        sa.Column("map_width", sa.Integer(), nullable=True),
        sa.Column("form", sa.Text(), nullable=True),
        sa.Column("signed", sa.Boolean(), nullable=True),
        sa.ForeignKeyConstraint(["checkpoint_id"], ["checkpoint.id"], name="fk_layer_checkpoint_id_checkpoint", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_layer"),
        sa.UniqueConstraint("checkpoint_id", "name", name="uq_layer_checkpoint_id_name"),
    )
    op.create_table(
        "layer_alias",
        sa.Column("layer_id", sa.Integer(), nullable=False),
        sa.Column("alias", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["layer_id"], ["layer.id"], name="fk_layer_alias_layer_id_layer", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("layer_id", "alias", name="pk_layer_alias"),
    )
    op.create_index("ix_layer_alias_alias", "layer_alias", ["alias"])
    op.create_table(
        "unit",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("layer_id", sa.Integer(), nullable=False),
        sa.Column("index", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["layer_id"], ["layer.id"], name="fk_unit_layer_id_layer", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_unit"),
        sa.UniqueConstraint("layer_id", "index", name="uq_unit_layer_id_index"),
    )


def _create_data() -> None:
    op.create_table(
        "dataset",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("content_hash", sa.Text(), nullable=False),
        sa.Column("vocabulary", sa.Text(), nullable=False),
        sa.Column("label_kind", sa.Text(), nullable=False),
        sa.Column("images", sa.Integer(), nullable=False),
        sa.Column("licence", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("card", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_dataset"),
        sa.UniqueConstraint("content_hash", name="uq_dataset_content_hash"),
    )
    op.create_index("ix_dataset_name", "dataset", ["name"])
    op.create_table(
        "image",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("dataset_id", sa.Integer(), nullable=False),
        sa.Column("index", sa.Integer(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=True),
        sa.Column("width", sa.Integer(), nullable=True),
        sa.Column("height", sa.Integer(), nullable=True),
        sa.Column("group", sa.Text(), nullable=True),
        sa.Column("split", sa.Text(), nullable=True),
        sa.Column("attributes", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["dataset_id"], ["dataset.id"], name="fk_image_dataset_id_dataset", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_image"),
        sa.UniqueConstraint("dataset_id", "index", name="uq_image_dataset_id_index"),
    )
    op.create_index("ix_image_sha256", "image", ["sha256"])
    op.create_table(
        "category",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_category"),
        sa.UniqueConstraint("name", name="uq_category_name"),
    )
    op.create_table(
        "concept",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("vocabulary", sa.Text(), nullable=False),
        sa.Column("category_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("source_id", sa.Text(), nullable=False),
        sa.Column("synonyms", sa.Text(), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("synonym_words", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["category_id"], ["category.id"], name="fk_concept_category_id_category", ondelete="RESTRICT"),
        sa.PrimaryKeyConstraint("id", name="pk_concept"),
        sa.UniqueConstraint("vocabulary", "category_id", "name", name="uq_concept_vocabulary_category_id_name"),
    )
    op.create_index("ix_concept_category_id", "concept", ["category_id"])
    op.create_index("ix_concept_name", "concept", ["name"])
    op.create_table(
        "concept_edge",
        sa.Column("source_id", sa.Integer(), nullable=False),
        sa.Column("target_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.CheckConstraint("kind IN ('broader', 'synonym', 'same')", name=op.f("ck_concept_edge_kind")),
        sa.ForeignKeyConstraint(["source_id"], ["concept.id"], name="fk_concept_edge_source_id_concept", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["target_id"], ["concept.id"], name="fk_concept_edge_target_id_concept", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("source_id", "target_id", "kind", name="pk_concept_edge"),
    )
    op.create_index("ix_concept_edge_target_id", "concept_edge", ["target_id"])


def _create_runs() -> None:
    op.create_table(
        "run",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("checkpoint_id", sa.Integer(), nullable=False),
        sa.Column("dataset_id", sa.Integer(), nullable=False),
        sa.Column("methods", sa.Text(), nullable=False),
        sa.Column("profile", sa.Text(), nullable=False),
        sa.Column("quantile", sa.Double(), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=True),
        sa.Column("settings", sa.Text(), nullable=False),
        sa.Column("versions", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("finished_at", sa.DateTime(), nullable=True),
        sa.CheckConstraint("state IN ('running', 'done', 'failed', 'interrupted')", name=op.f("ck_run_state")),
        sa.ForeignKeyConstraint(["checkpoint_id"], ["checkpoint.id"], name="fk_run_checkpoint_id_checkpoint", ondelete="RESTRICT"),
        sa.ForeignKeyConstraint(["dataset_id"], ["dataset.id"], name="fk_run_dataset_id_dataset", ondelete="RESTRICT"),
        sa.PrimaryKeyConstraint("id", name="pk_run"),
        sa.UniqueConstraint("fingerprint", name="uq_run_fingerprint"),
    )
    op.create_index("ix_run_checkpoint_id", "run", ["checkpoint_id"])
    op.create_index("ix_run_dataset_id", "run", ["dataset_id"])
    op.create_index("ix_run_state", "run", ["state"])
    op.create_table(
        "run_layer",
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("layer_id", sa.Integer(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("activation_dtype", sa.Text(), nullable=False),
        sa.Column("label_height", sa.Integer(), nullable=True),
        sa.Column("label_width", sa.Integer(), nullable=True),
        sa.Column("images", sa.Integer(), nullable=False),
        sa.Column("threshold", sa.Double(), nullable=True),
        sa.Column("detectors", sa.Integer(), nullable=True),
        sa.Column("unique_detectors", sa.Integer(), nullable=True),
        sa.Column("unique_by_category", sa.Integer(), nullable=True),
        sa.Column("by_category", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["layer_id"], ["layer.id"], name="fk_run_layer_layer_id_layer", ondelete="RESTRICT"),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name="fk_run_layer_run_id_run", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "layer_id", name="pk_run_layer"),
    )
    op.create_index("ix_run_layer_layer_id", "run_layer", ["layer_id"])
    op.create_table(
        "skipped",
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name="fk_skipped_run_id_run", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "key", name="pk_skipped"),
    )
    op.create_table(
        "stage",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("layer", sa.Text(), nullable=True),
        sa.Column("settings", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_stage"),
        sa.UniqueConstraint("fingerprint", name="uq_stage_fingerprint"),
    )
    op.create_table(
        "run_stage",
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("stage_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name="fk_run_stage_run_id_run", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["stage_id"], ["stage.id"], name="fk_run_stage_stage_id_stage", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "stage_id", name="pk_run_stage"),
    )
    op.create_index("ix_run_stage_stage_id", "run_stage", ["stage_id"])
    op.create_table(
        "shard",
        sa.Column("stage_id", sa.Integer(), nullable=False),
        sa.Column("index", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("first", sa.Integer(), nullable=False),
        sa.Column("stop", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=True),
        sa.Column("token", sa.Text(), nullable=True),
        sa.Column("lease_until", sa.Double(), nullable=True),
        sa.Column("file", sa.Text(), nullable=True),
        sa.Column("sha256", sa.Text(), nullable=True),
        sa.Column("size", sa.BigInteger(), nullable=True),
        sa.Column("counts", sa.Text(), nullable=True),
        sa.CheckConstraint("state IN ('open', 'leased', 'done')", name=op.f("ck_shard_state")),
        sa.CheckConstraint("stop >= first", name=op.f("ck_shard_range")),
        sa.ForeignKeyConstraint(["stage_id"], ["stage.id"], name="fk_shard_stage_id_stage", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("stage_id", "index", name="pk_shard"),
    )


def _create_units() -> None:
    op.create_table(
        "unit_stat",
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("unit_id", sa.Integer(), nullable=False),
        sa.Column("threshold", sa.Double(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("minimum", sa.Double(), nullable=True),
        sa.Column("maximum", sa.Double(), nullable=True),
        sa.Column("mean", sa.Double(), nullable=True),
        sa.Column("active_share", sa.Double(), nullable=True),
        sa.Column("active_images", sa.BigInteger(), nullable=True),
        sa.Column("twin", sa.Integer(), nullable=True),
        sa.Column("histogram", sa.Text(), nullable=False),
        sa.Column("edges", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name="fk_unit_stat_run_id_run", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["unit_id"], ["unit.id"], name="fk_unit_stat_unit_id_unit", ondelete="RESTRICT"),
        sa.PrimaryKeyConstraint("run_id", "unit_id", name="pk_unit_stat"),
    )
    op.create_index("ix_unit_stat_run_id_state", "unit_stat", ["run_id", "state"])
    op.create_index("ix_unit_stat_unit_id", "unit_stat", ["unit_id"])
    op.create_table(
        "label",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("unit_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("profile", sa.Text(), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("category", sa.Text(), nullable=True),
        sa.Column("formula", sa.Text(), nullable=True),
        sa.Column("length", sa.Integer(), nullable=True),
        sa.Column("score", sa.Double(), nullable=True),
        sa.Column("score_kind", sa.Text(), nullable=False),
        sa.Column("intersection", sa.BigInteger(), nullable=True),
        sa.Column("unit_area", sa.BigInteger(), nullable=True),
        sa.Column("concept_area", sa.BigInteger(), nullable=True),
        sa.Column("reachable", sa.Double(), nullable=True),
        sa.Column("detector", sa.Boolean(), nullable=True),
        sa.Column("details", sa.Text(), nullable=False),
        sa.CheckConstraint("kind IN ('concept', 'formula', 'description')", name=op.f("ck_label_kind")),
        sa.CheckConstraint("rank >= 1", name=op.f("ck_label_rank")),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name="fk_label_run_id_run", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["unit_id"], ["unit.id"], name="fk_label_unit_id_unit", ondelete="RESTRICT"),
        sa.PrimaryKeyConstraint("id", name="pk_label"),
        sa.UniqueConstraint("run_id", "unit_id", "kind", "method", "rank", name="uq_label_run_id_unit_id_kind_method_rank"),
    )
    op.create_index("ix_label_category_score", "label", ["category", "score"])
    op.create_index("ix_label_method_score", "label", ["method", "score"])
    op.create_index("ix_label_run_id_score", "label", ["run_id", "score"])
    op.create_index("ix_label_unit_id", "label", ["unit_id"])
    op.create_table(
        "label_concept",
        sa.Column("label_id", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("concept_id", sa.Integer(), nullable=False),
        sa.Column("sign", sa.Integer(), server_default="1", nullable=False),
        sa.CheckConstraint("sign IN (-1, 1)", name=op.f("ck_label_concept_sign")),
        sa.ForeignKeyConstraint(["concept_id"], ["concept.id"], name="fk_label_concept_concept_id_concept", ondelete="RESTRICT"),
        sa.ForeignKeyConstraint(["label_id"], ["label.id"], name="fk_label_concept_label_id_label", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("label_id", "position", name="pk_label_concept"),
    )
    op.create_index("ix_label_concept_concept_id", "label_concept", ["concept_id"])
    op.create_table(
        "unit_concept",
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("unit_id", sa.Integer(), nullable=False),
        sa.Column("concept_id", sa.Integer(), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("score", sa.Double(), nullable=True),
        sa.Column("intersection", sa.BigInteger(), nullable=True),
        sa.Column("unit_area", sa.BigInteger(), nullable=True),
        sa.Column("concept_area", sa.BigInteger(), nullable=True),
        sa.Column("reachable", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(["concept_id"], ["concept.id"], name="fk_unit_concept_concept_id_concept", ondelete="RESTRICT"),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name="fk_unit_concept_run_id_run", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["unit_id"], ["unit.id"], name="fk_unit_concept_unit_id_unit", ondelete="RESTRICT"),
        sa.PrimaryKeyConstraint("run_id", "unit_id", "concept_id", name="pk_unit_concept"),
    )
    op.create_index("ix_unit_concept_concept_id", "unit_concept", ["concept_id"])
    op.create_index("ix_unit_concept_unit_id", "unit_concept", ["unit_id"])
    op.create_table(
        "exemplar",
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("unit_id", sa.Integer(), nullable=False),
        sa.Column("rank", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("image_id", sa.Integer(), nullable=False),
        sa.Column("activation", sa.Double(), nullable=False),
        sa.Column("mask", sa.LargeBinary(), nullable=False),
        sa.Column("mask_height", sa.Integer(), nullable=True),
        sa.Column("mask_width", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["image_id"], ["image.id"], name="fk_exemplar_image_id_image", ondelete="RESTRICT"),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name="fk_exemplar_run_id_run", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["unit_id"], ["unit.id"], name="fk_exemplar_unit_id_unit", ondelete="RESTRICT"),
        sa.PrimaryKeyConstraint("run_id", "unit_id", "rank", name="pk_exemplar"),
    )
    op.create_index("ix_exemplar_image_id", "exemplar", ["image_id"])
    op.create_index("ix_exemplar_unit_id", "exemplar", ["unit_id"])
