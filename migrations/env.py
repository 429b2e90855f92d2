"""Alembic's entry. `dissect.store.revisions` calls it with an engine; the whole way is one transaction, checked before its commit."""

from __future__ import annotations

from alembic import context

from dissect.errors import UsageError
from dissect.store.revisions import guarded, ours
from dissect.store.schema import metadata
from dissect.store.schema_version import VERSION_TABLE

engine = context.config.attributes.get("engine")
if engine is None or context.is_offline_mode():
    raise UsageError("migrations are run by `dissect db upgrade` and `dissect db downgrade`, not by alembic itself.")

with guarded(engine) as (connection, guard):
    context.configure(
        connection=connection,
        target_metadata=metadata,
        version_table=VERSION_TABLE,
        include_object=ours,
        render_as_batch=True,
        transactional_ddl=True,
        on_version_apply=guard.after_step,
    )
    context.run_migrations()
