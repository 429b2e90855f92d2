"""Names that a job may use."""

from __future__ import annotations

import pytest

from dissect.errors import NotFoundError, UsageError
from dissect.store import Store


def test_a_name_stands_for_settings_until_it_is_taken_away(store: Store) -> None:
    registry = store.registry()
    registry.register("model", "mine", {"model": "pkg:net", "trust": True}, "ann@local")
    registry.register("data", "mine", {"data": "set.toml"}, "ann@local")
    changed = registry.register("model", "mine", {"model": "pkg:other"}, "bob@local")
    assert registry.find("model", "mine") == changed
    assert (changed.settings, changed.registered_by) == ({"model": "pkg:other"}, "bob@local")
    registry.register("model", "Another", {"model": "x:y"}, "ann@local")
    assert [found.name for found in registry.registered("model")] == ["Another", "mine"]
    registry.unregister("model", "mine")
    assert registry.find("model", "mine") is None and registry.find("data", "mine") is not None
    with pytest.raises(NotFoundError, match=r"no model is registered as 'mine'. Names: Another"):
        registry.unregister("model", "mine")


def test_what_could_be_a_path_or_a_source_is_no_name(store: Store) -> None:
    for name in ("", "a/b", "../a", "a:b", "evil.toml", ".hidden", "a b", "a\0", "a" * 81, "é", "a\n"):
        with pytest.raises(UsageError, match="no name"):
            store.registry().register("model", name, {}, "ann@local")
    assert store.registry().registered("model") == []
