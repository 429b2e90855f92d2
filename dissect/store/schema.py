"""The tables, as the newest migration leaves them. `migrations/` makes them; a test compares the two.

    model ─ checkpoint ─ layer ─ unit        dataset ─ image        category ─ concept ─ concept_edge
                  └──────── run ────┘ (unit_stat, label, unit_concept, exemplar: of a unit in a run; run_layer; layer_method; skipped)
                             │          └─ ablation (units of a layer, switched off)
                             ├─ audit ─ finding (of a unit)
                             └─ run_stage ─ stage ─ shard

Deleting a run takes its rows along; a model, a data set or a concept that is in use cannot be deleted.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    UniqueConstraint,
)

from dissect.store.types import CleanText, JsonText, Real, UtcTime

NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
"""Every constraint has a name, so that a later migration can change it on both databases."""

metadata = MetaData(naming_convention=NAMES)


def _id() -> Column[int]:
    return Column("id", Integer, primary_key=True)


def _to(table: str, name: str | None = None, *, owner: bool = False, key: bool = False, null: bool = False) -> Column[int]:
    """A reference to `table`. owner: its row takes this one along when it is deleted."""
    target = ForeignKey(f"{table}.id", ondelete="CASCADE" if owner else "RESTRICT")
    return Column(name or f"{table}_id", Integer, target, primary_key=key, nullable=null)


def _text(name: str, *, null: bool = False) -> Column[str]:
    return Column(name, CleanText, nullable=null)


def _one_of(column: str, *values: str) -> CheckConstraint:
    return CheckConstraint(f"{column} IN ({', '.join(repr(value) for value in values)})", name=column)


model = Table(
    "model", metadata, _id(), _text("name"), _text("source"), _text("licence"), Column("card", JsonText, nullable=False),
    UniqueConstraint("name"),
)  # fmt: skip

checkpoint = Table(
    "checkpoint", metadata, _id(), _to("model", owner=True), Column("weights_hash", CleanText, nullable=False),
    Column("file_sha256", CleanText), _text("source"), Column("step", BigInteger), Column("describe", JsonText, nullable=False),
    UniqueConstraint("model_id", "weights_hash"),
)  # fmt: skip

layer = Table(
    "layer", metadata, _id(), _to("checkpoint", owner=True), _text("name"), Column("position", Integer, nullable=False),
    Column("units", Integer, nullable=False), Column("map_height", Integer), Column("map_width", Integer),
    Column("form", CleanText), Column("signed", Boolean),
    UniqueConstraint("checkpoint_id", "name"),
)  # fmt: skip

layer_alias = Table(
    "layer_alias", metadata, _to("layer", owner=True, key=True), Column("alias", CleanText, primary_key=True), Index(None, "alias")
)

unit = Table(
    "unit", metadata, _id(), _to("layer", owner=True), Column("index", Integer, nullable=False), UniqueConstraint("layer_id", "index")
)

dataset = Table(
    "dataset", metadata, _id(), _text("name"), Column("content_hash", CleanText, nullable=False), _text("vocabulary"),
    Column("label_kind", CleanText, nullable=False), Column("images", Integer, nullable=False), _text("licence"), _text("source"),
    Column("card", JsonText, nullable=False),
    UniqueConstraint("content_hash"), Index(None, "name"),
)  # fmt: skip

image = Table(
    "image", metadata, _id(), _to("dataset", owner=True), Column("index", Integer, nullable=False), _text("key"),
    Column("sha256", CleanText), Column("width", Integer), Column("height", Integer), _text("group", null=True), _text("split", null=True),
    Column("attributes", JsonText, nullable=False),
    UniqueConstraint("dataset_id", "index"), Index(None, "sha256"),
)  # fmt: skip

category = Table("category", metadata, _id(), _text("name"), UniqueConstraint("name"))

concept = Table(
    "concept", metadata, _id(), _text("vocabulary"), _to("category"), _text("name"), _text("source_id"),
    Column("synonyms", JsonText, nullable=False), _text("words"), _text("synonym_words"),
    UniqueConstraint("vocabulary", "category_id", "name"), Index(None, "category_id"), Index(None, "name"),
)  # fmt: skip

concept_edge = Table(
    "concept_edge", metadata, _to("concept", "source_id", owner=True, key=True), _to("concept", "target_id", owner=True, key=True),
    Column("kind", CleanText, primary_key=True), _one_of("kind", "broader", "synonym", "same"), Index(None, "target_id"),
)  # fmt: skip

run = Table(
    "run", metadata, _id(), Column("fingerprint", CleanText, nullable=False), _to("checkpoint"), _to("dataset"),
    Column("methods", JsonText, nullable=False), Column("profile", CleanText, nullable=False), Column("quantile", Real, nullable=False),
    Column("seed", BigInteger), Column("settings", JsonText, nullable=False), Column("versions", JsonText, nullable=False),
    Column("state", CleanText, nullable=False), _text("message"), Column("created_at", UtcTime, nullable=False),
    Column("finished_at", UtcTime),
    UniqueConstraint("fingerprint"), _one_of("state", "running", "done", "failed", "interrupted"),
    Index(None, "checkpoint_id"), Index(None, "dataset_id"), Index(None, "state"),
)  # fmt: skip

run_layer = Table(
    "run_layer", metadata, _to("run", owner=True, key=True), _to("layer", key=True), Column("fingerprint", CleanText, nullable=False),
    Column("activation_dtype", CleanText, nullable=False), Column("label_height", Integer), Column("label_width", Integer),
    Column("images", Integer, nullable=False), Column("threshold", Real), Column("detectors", Integer), Column("unique_detectors", Integer),
    Column("unique_by_category", Integer), Column("by_category", JsonText, nullable=False), Index(None, "layer_id"),
)  # fmt: skip

layer_method = Table(
    "layer_method", metadata, _to("run", owner=True, key=True), _to("layer", key=True), Column("method", CleanText, primary_key=True),
    Column("fingerprint", CleanText, nullable=False), Column("settings", JsonText, nullable=False),
    Column("summary", JsonText, nullable=False), Index(None, "layer_id"),
)  # fmt: skip
"""A later method is done for a layer: with which settings, and what came out in numbers."""

skipped = Table("skipped", metadata, _to("run", owner=True, key=True), Column("key", CleanText, primary_key=True), _text("reason"))

stage = Table(
    "stage", metadata, _id(), Column("fingerprint", CleanText, nullable=False), Column("step", CleanText, nullable=False),
    _text("layer", null=True), Column("settings", JsonText, nullable=False), Column("created_at", UtcTime, nullable=False),
    UniqueConstraint("fingerprint"),
)  # fmt: skip

run_stage = Table("run_stage", metadata, _to("run", owner=True, key=True), _to("stage", owner=True, key=True), Index(None, "stage_id"))

shard = Table(
    "shard", metadata, _to("stage", owner=True, key=True), Column("index", Integer, primary_key=True, autoincrement=False),
    Column("first", Integer, nullable=False), Column("stop", Integer, nullable=False), Column("state", CleanText, nullable=False),
    _text("owner", null=True), Column("token", CleanText), Column("lease_until", Real), _text("file", null=True),
    Column("sha256", CleanText), Column("size", BigInteger), Column("counts", JsonText),
    _one_of("state", "open", "leased", "done"), CheckConstraint("stop >= first", name="range"),
)  # fmt: skip

unit_stat = Table(
    "unit_stat", metadata, _to("run", owner=True, key=True), _to("unit", key=True), Column("threshold", Real),
    Column("state", CleanText, nullable=False), Column("minimum", Real), Column("maximum", Real), Column("mean", Real),
    Column("active_share", Real), Column("active_images", BigInteger), Column("twin", Integer),
    Column("histogram", JsonText, nullable=False), Column("edges", JsonText, nullable=False),
    Index(None, "unit_id"), Index(None, "run_id", "state"),
)  # fmt: skip

label = Table(
    "label", metadata, _id(), _to("run", owner=True), _to("unit"), Column("kind", CleanText, nullable=False),
    Column("method", CleanText, nullable=False), Column("profile", CleanText, nullable=False), Column("rank", Integer, nullable=False),
    _text("text"), _text("words"), _text("category", null=True), _text("formula", null=True), Column("length", Integer),
    Column("score", Real), Column("score_kind", CleanText, nullable=False), Column("intersection", BigInteger),
    Column("unit_area", BigInteger), Column("concept_area", BigInteger), Column("reachable", Real), Column("detector", Boolean),
    Column("held_out_score", Real), Column("held_out_agrees", Boolean), Column("interval_low", Real), Column("interval_high", Real),
    Column("null_kind", CleanText), Column("permutations", Integer), Column("p", Real), Column("q", Real),
    Column("split_hash", CleanText), _text("certificate", null=True), _text("certificate_space", null=True),
    Column("details", JsonText, nullable=False),
    UniqueConstraint("run_id", "unit_id", "kind", "method", "rank"), _one_of("kind", "concept", "formula", "description"),
    CheckConstraint("rank >= 1", name="rank"), CheckConstraint("p BETWEEN 0 AND 1", name="p"),
    CheckConstraint("q BETWEEN 0 AND 1", name="q"),
    Index(None, "unit_id"), Index(None, "run_id", "score"), Index(None, "category", "score"), Index(None, "method", "score"),
    Index(None, "q"),
)  # fmt: skip

label_concept = Table(
    "label_concept", metadata, _to("label", owner=True, key=True), Column("position", Integer, primary_key=True, autoincrement=False),
    _to("concept"), Column("sign", Integer, nullable=False, server_default="1"),
    CheckConstraint("sign IN (-1, 1)", name="sign"), Index(None, "concept_id"),
)  # fmt: skip

label_mask = Table(
    "label_mask", metadata, _to("label", owner=True, key=True), Column("rank", Integer, primary_key=True, autoincrement=False),
    Column("mask", LargeBinary, nullable=False), Column("mask_height", Integer, nullable=False),
    Column("mask_width", Integer, nullable=False),
)  # fmt: skip
"""Where a formula is true on the unit's exemplar of that rank."""

unit_concept = Table(
    "unit_concept", metadata, _to("run", owner=True, key=True), _to("unit", key=True), _to("concept", key=True),
    Column("rank", Integer, nullable=False), Column("score", Real), Column("intersection", BigInteger), Column("unit_area", BigInteger),
    Column("concept_area", BigInteger), Column("reachable", Real), Column("images", Integer), Index(None, "unit_id"),
    Index(None, "concept_id", "score", "run_id", "unit_id"),
)  # fmt: skip

listed = Table(
    "listed", metadata, Column("id", BigInteger, primary_key=True, autoincrement=False), _to("run", owner=True), _to("unit"), _to("layer"),
    _to("label", owner=True, null=True), Column("nth", Integer, nullable=False), Column("place", BigInteger, nullable=False),
    Column("position", Integer, nullable=False), Column("index", Integer, nullable=False), Column("state", CleanText, nullable=False),
    Column("kind", CleanText), Column("method", CleanText), _text("category", null=True), _text("text"),
    Column("weakness", Double, nullable=False), Column("score", Real), Column("iou", Real), Column("q", Real),
    Column("detector", Boolean, nullable=False), Column("survives", Boolean, nullable=False),
    Index(None, "run_id", "unit_id", "nth"), Index(None, "unit_id"), Index(None, "layer_id"), Index(None, "label_id"),
    Index(None, "weakness", "run_id", "unit_id", "nth"), Index(None, "place", "weakness", "run_id", "unit_id", "nth"),
    Index(None, "category", "weakness", "run_id", "unit_id", "nth"), Index(None, "method", "weakness", "run_id", "unit_id", "nth"),
    Index(None, "run_id", "position", "layer_id", "index", "nth"), Index(None, "q"),
)  # fmt: skip
"""What lists and searches read: a narrow row for each first label of a unit in a run, and one for a unit without a label.

It repeats what other tables hold (`listing.py` writes it): nth: the label's place among the unit's, 0 for its headline. place: run and
layer in one number. weakness: the score turned round, so that all sorting goes upwards. The full-text index has the same numbers."""

exemplar = Table(
    "exemplar", metadata, _to("run", owner=True, key=True), _to("unit", key=True),
    Column("rank", Integer, primary_key=True, autoincrement=False), _to("image"), Column("activation", Real, nullable=False),
    Column("mask", LargeBinary, nullable=False), Column("mask_height", Integer), Column("mask_width", Integer),
    Index(None, "unit_id"), Index(None, "image_id"),
)  # fmt: skip

ablation = Table(
    "ablation", metadata, _id(), _to("run", owner=True), _to("layer"), _to("unit", null=True), _text("members"),
    _to("concept", null=True), Column("how", CleanText, nullable=False), Column("dose", Real, nullable=False),
    Column("measure", CleanText, nullable=False), Column("effect", Real), Column("interval_low", Real), Column("interval_high", Real),
    Column("control_mean", Real), Column("controls", Integer, nullable=False), Column("p", Real), Column("q", Real),
    Column("balance", JsonText, nullable=False), Column("details", JsonText, nullable=False),
    UniqueConstraint("run_id", "layer_id", "members", "concept_id", "how", "dose", "measure"), _one_of("how", "mean", "zero", "resample"),
    CheckConstraint("dose BETWEEN 0 AND 1", name="dose"), CheckConstraint("controls >= 0", name="controls"),
    CheckConstraint("p BETWEEN 0 AND 1", name="p"), CheckConstraint("q BETWEEN 0 AND 1", name="q"),
    Index(None, "layer_id"), Index(None, "unit_id"), Index(None, "concept_id"), Index(None, "q"),
)  # fmt: skip
"""What happens to the network when units of a layer are switched off. unit_id: where it is one unit; members: their indices, "3,17".

dose: the share of the activation that is left, 0 for none. balance, details: of the controls, as plain data."""

audit = Table(
    "audit", metadata, _id(), _to("run", owner=True), _text("fingerprint"), _text("against"), Column("settings", JsonText, nullable=False),
    Column("summary", JsonText, nullable=False), Column("created_at", UtcTime, nullable=False),
    UniqueConstraint("run_id", "fingerprint"),
)  # fmt: skip
"""An audit of a run's units. fingerprint: of its settings. summary: all of the report but its findings, as plain data."""

finding = Table(
    "finding", metadata, _to("audit", owner=True, key=True), Column("position", Integer, primary_key=True, autoincrement=False),
    _to("unit", null=True), Column("kind", CleanText, nullable=False), Column("state", CleanText, nullable=False), _text("layer"),
    _text("subject"), _text("value"), Column("effect", Real), _text("effect_name"), Column("interval_low", Real),
    Column("interval_high", Real), Column("p", Real), Column("q", Real), Column("groups", JsonText, nullable=False),
    Column("matched", JsonText, nullable=False), Column("balance", JsonText, nullable=False), _text("reason"), _text("text"),
    Column("details", JsonText, nullable=False),
    _one_of("kind", "description", "response", "effect", "mask"), _one_of("state", "found", "not found", "not testable"),
    CheckConstraint("p BETWEEN 0 AND 1", name="p"), CheckConstraint("q BETWEEN 0 AND 1", name="q"),
    Index(None, "unit_id"), Index(None, "subject", "state"),
)  # fmt: skip
"""What an audit says of a unit (of a layer or of the network where unit_id is NULL), found or not."""
