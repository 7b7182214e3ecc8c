"""Every setting, in frozen groups. Each says its unit, its default and what breaks when it is smaller or larger.

Environment: ``CRUCIBLE_`` prefix, ``__`` between group and key, e.g. ``CRUCIBLE_KAFKA__GROUP=crucible-watcher``.
File: the same keys as TOML tables. Secrets directory: one file a key, named ``kafka__sasl_password``.
"""

import re
from typing import Self

from pydantic import model_validator

from config.domains import (
    AdmissionSettings,
    BuzzSettings,
    EntriesSettings,
    EventsSettings,
    NotifySettings,
    ReconcileSettings,
    SettlementSettings,
    SettleSettings,
    VotesSettings,
)
from config.group import Group
from config.neighbours import (
    ClickHouseSettings,
    ConnectSettings,
    KafkaSettings,
    PostgresSettings,
    RedisSettings,
    RegistrySettings,
)
from config.process import BatchSettings, DeadLetterSettings, LogSettings, OpsSettings, RunSettings
from config.vote_api import ApiSettings


class SettingsGroups(Group):
    """Everything, as the daemon and the CLI read it."""

    kafka: KafkaSettings = KafkaSettings()
    registry: RegistrySettings = RegistrySettings()
    batch: BatchSettings = BatchSettings()
    clickhouse: ClickHouseSettings = ClickHouseSettings()
    redis: RedisSettings = RedisSettings()
    postgres: PostgresSettings = PostgresSettings()
    connect: ConnectSettings = ConnectSettings()
    dead_letters: DeadLetterSettings = DeadLetterSettings()
    api: ApiSettings = ApiSettings()
    admission: AdmissionSettings = AdmissionSettings()
    votes: VotesSettings = VotesSettings()
    entries: EntriesSettings = EntriesSettings()
    events: EventsSettings = EventsSettings()
    reconcile: ReconcileSettings = ReconcileSettings()
    buzz: BuzzSettings = BuzzSettings()
    notify: NotifySettings = NotifySettings()
    settlement: SettlementSettings = SettlementSettings()
    settle: SettleSettings = SettleSettings()
    ops: OpsSettings = OpsSettings()
    log: LogSettings = LogSettings()
    run: RunSettings = RunSettings()

    @model_validator(mode="after")
    def _a_row_outlasts_its_request(self) -> Self:
        if self.buzz.timeout >= 30:  # a charge may ask twice, and the row must still be ours when it is answered
            raise ValueError(f"buzz.timeout: given {self.buzz.timeout:g}, expected less than 30 seconds")
        return self

    @model_validator(mode="after")
    def _letters_do_not_come_back(self) -> Self:
        letters, kafka = self.dead_letters.topic, self.kafka
        # Searched for, not matched from the start: `^a|b` finds b anywhere, in the client too.
        read = [one for one in kafka.topics if one == letters or (one.startswith("^") and re.search(one, letters))]
        found = f"is read through {read[0]!r} of kafka.topics" if read else "is kafka.heartbeat_topic"
        if read or letters == kafka.heartbeat_topic:
            raise ValueError(
                f"dead_letters.topic {letters!r} {found}: each letter would be read, refused and sent again for ever; "
                "name a topic of its own"
            )
        return self
