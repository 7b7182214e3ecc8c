"""Who runs is looked at before tables are made anew."""

import pytest

from config import Settings
from watcher.admin import offsets
from watcher.cli import migrate
from watcher.kafka.admin import KafkaAdmin
from watcher.model.errors import StopError


def test_a_watcher_that_runs_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(offsets, "MAX_LEAVING_SECONDS", 0.0)
    monkeypatch.setattr(KafkaAdmin, "members", lambda _self, group: [f"{group}@host-7"])

    with pytest.raises(StopError, match=r"(?s)crucible-watcher@host-7.*Nothing was made anew.*stop all of them"):
        migrate._require_rest(Settings())


def test_nobody_is_in_the_way_where_none_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(KafkaAdmin, "members", lambda _self, _group: [])

    migrate._require_rest(Settings())
