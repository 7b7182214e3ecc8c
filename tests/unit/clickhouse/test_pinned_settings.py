"""A profile that pins settings: named before anything is written, unless they are what is needed anyway."""

from types import SimpleNamespace
from typing import Any

import pytest
from clickhouse_connect.driver.exceptions import ProgrammingError
from clickhouse_connect.driver.models import SettingDef

from watcher.admin.doctor import clickhouse as checks
from watcher.admin.doctor.findings import Level
from watcher.clickhouse.pinned_settings import PinnedSettingError, check_settings
from watcher.migrations.clickhouse.server import Server


def server(**settings: tuple[str, int]) -> Any:
    """A client of a server whose settings have these values, and may be changed or not."""
    return SimpleNamespace(server_settings={name: SettingDef(name, *said) for name, said in settings.items()})


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({}, []),
        ({"async_insert": ("1", 0)}, []),
        ({"async_insert": ("0", 1)}, []),
        ({"async_insert": ("1", 1)}, ["async_insert is pinned to '1' for this user, needed is 0"]),
        ({"insert_deduplication_token": ("", 1)}, ["insert_deduplication_token is pinned to '' "]),
        ({"select_sequential_consistency": ("0", 1), "max_threads": ("1", 1)}, ["select_sequential_consistency"]),
        ({"max_insert_threads": ("4", 1), "async_insert": ("1", 1)}, ["async_insert", "max_insert_threads"]),
    ],
)
def test_a_pinned_setting_is_named(settings: dict[str, tuple[str, int]], named: list[str]) -> None:
    """To whoever starts, and by the doctor; with what to do."""
    client = server(**settings)

    (finding,) = checks.settings(client)

    assert finding.level is (Level.FAIL if named else Level.OK)
    assert [one for one in named if one not in finding.found] == []
    if named:
        with pytest.raises(PinnedSettingError, match=r"profile.*ALTER USER") as refused:
            check_settings(client)
        assert [one for one in named if one not in str(refused.value)] == []
    else:
        check_settings(client)


def test_a_migration_that_may_not_have_its_settings_says_so() -> None:
    """In place of the driver's own error, which is a traceback."""

    def command(*_: Any, **__: Any) -> None:
        raise ProgrammingError("Setting alter_sync is unknown or readonly")

    client: Any = SimpleNamespace(command=command, database="d")

    with pytest.raises(PinnedSettingError, match=r"alter_sync is unknown or readonly.*profile"):
        Server(client, None, None).change("ALTER ...", {"alter_sync": 2})  # type: ignore[arg-type] # not looked at
