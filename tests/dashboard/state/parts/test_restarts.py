"""Health: what counts as a restart, and what only looks like one."""

from datetime import timedelta

import msgspec

from dashboard.client.answers import Status
from dashboard.state.event_log import EventLog
from dashboard.state.parts.health import Health
from dashboard.state.parts.watch import Watch
from tests.support.console.frozen_clock import FrozenClock
from tests.support.console.operating import watch_live
from tests.support.console.service_peer import ServicePeer

HEARTBEAT_SECONDS = 10.0
"""How long a process that was killed is still listed."""


class Looks:
    """Looks at the status of a peer, as the console does, and reads what it notes."""

    def __init__(self, peer: ServicePeer | None = None) -> None:
        self.peer = peer or ServicePeer(FrozenClock(), more_api_pids=[4_102, 4_103])
        self.log = EventLog()
        self.watch, self.health = Watch(self.log), Health()
        self.console_ahead = timedelta()
        self.look()

    def look(self, seconds: float = 2.0) -> None:
        """Look at it each two seconds, for that long."""
        clock = self.peer.clock
        for _ in range(max(1, round(seconds / 2.0))):
            clock.move(clock.seconds + 2.0)
            status = msgspec.convert(self.peer.describe_status(), Status)
            restarted = self.watch.take(status, 1.0, clock.now() + self.console_ahead)
            self.health.take(status, 1.0, None, restarted)

    def wait(self, seconds: float) -> None:
        """Let time pass without a look, as while the console is disconnected."""
        self.peer.clock.move(self.peer.clock.seconds + seconds)

    def start(self, pid: int) -> int:
        """Let a process start between two looks."""
        self.wait(1.0)
        return self.peer.start_process(pid)

    def list_apis(self, *pids: int) -> None:
        """Say which API processes there are; the first one answers."""
        self.peer.api_pid, *self.peer.more_api_pids = pids

    @property
    def restarts(self) -> list[str]:
        return [
            f"{event.part} {event.text.partition(' on ')[0].removeprefix('restarted: process ')}"
            for event in reversed(list(self.log))
            if "restarted" in event.text
        ]

    def count_marks(self, part: str) -> int:
        return sum(sample.restarted for sample in self.health.history[part])


async def test_a_restart_is_an_event_and_a_mark() -> None:
    async with watch_live() as operator:
        await operator.press("4")
        operator.peer.api_pid = operator.peer.start_process(4_999)
        await operator.pass_time(2.2)
        assert "restarted: process 4999 on box, started 12:00:00" in operator.read("#events")
        assert "↻" in operator.read("#tile-api")
        assert "↻" not in operator.read("#tile-worker")


async def test_a_restart_of_a_store_is_an_event_and_a_mark() -> None:
    async with watch_live() as operator:
        await operator.press("4")
        # Redis tells how old it is in whole seconds.
        operator.peer.store_started_at += timedelta(seconds=1)
        await operator.pass_time(2.2)
        assert "restarted" not in operator.read("#events")
        operator.peer.store_started_at += timedelta(seconds=20)
        await operator.pass_time(2.2)
        for title, tile in (("PostgreSQL", "#tile-postgresql"), ("Redis", "#tile-redis")):
            assert f"{title:<11}restarted: started 12:00:21" in operator.read("#events")
            assert "↻" in operator.read(tile)


def test_a_process_that_was_only_not_listed_has_not_restarted() -> None:
    looks = Looks()
    for alone in (4_100, 4_102, 4_103):
        looks.list_apis(alone)
        looks.look()
    looks.list_apis(4_100, 4_102, 4_103)
    looks.look(20.0)
    assert looks.restarts == []
    looks.list_apis(4_100, 4_102, looks.start(4_104))
    looks.look()
    assert looks.restarts == ["API 4104"]
    assert looks.count_marks("api") == 1


def test_processes_that_are_listed_when_redis_is_there_at_last_have_not_restarted() -> None:
    peer = ServicePeer(FrozenClock(), more_api_pids=[4_102, 4_103], away={"redis", "worker"})
    for pid in (4_102, 4_103):
        peer.clock.move(peer.clock.seconds + 1.0)
        peer.start_process(pid)
    looks = Looks(peer)
    looks.look(20.0)
    peer.away = set()
    looks.look(20.0)
    # Taking one away puts none of those in its place that were there all along.
    looks.list_apis(4_102, 4_103)
    looks.look(20.0)
    assert looks.restarts == []


def test_a_restart_while_redis_is_away_is_told_when_it_is_back() -> None:
    peer = ServicePeer(FrozenClock(), more_api_pids=[4_102], away={"redis"})
    looks = Looks(peer)
    looks.list_apis(looks.start(4_999), 4_102)
    looks.look(600.0)
    assert looks.restarts == []
    peer.away = set()
    looks.look(20.0)
    assert looks.restarts == ["API 4999"]


def test_one_that_starts_while_the_others_have_yet_to_tell_redis_of_themselves_is_none() -> None:
    looks = Looks()
    looks.peer.away = {"redis"}
    looks.look(60.0)
    looks.peer.away = set()
    # The first to tell; the others do within two seconds.
    looks.list_apis(4_100, looks.start(4_104))
    looks.look()
    looks.list_apis(4_100, 4_102, 4_103, 4_104)
    looks.look(60.0)
    assert looks.restarts == []


def test_a_process_that_joins_the_others_is_no_restart() -> None:
    looks = Looks()
    looks.list_apis(4_100, 4_102, 4_103, looks.start(4_104))
    looks.peer.worker_pids.append(looks.start(4_201))
    looks.look(600.0)
    looks.list_apis(4_100, 4_104)
    looks.look(600.0)
    looks.list_apis(4_100, 4_104, looks.start(4_105))
    looks.look(20.0)
    assert looks.restarts == []


def test_a_process_that_joins_the_others_and_goes_again_is_no_restart() -> None:
    looks = Looks()
    looks.list_apis(4_100, 4_102, 4_103, looks.start(4_104))
    looks.look()
    looks.list_apis(4_100, 4_102, 4_103)
    looks.look(600.0)
    assert looks.restarts == []


def test_each_process_of_a_rolling_restart_is_told_once_whichever_comes_first() -> None:
    looks = Looks()
    looks.list_apis(4_100, 4_102, 4_103, looks.start(4_110))
    looks.look(30.0)
    assert looks.restarts == []
    looks.list_apis(4_102, 4_103, 4_110)
    looks.look()
    assert looks.restarts == ["API 4110"]
    looks.list_apis(4_103, 4_110)
    looks.look(30.0)
    looks.list_apis(4_103, 4_110, looks.start(4_112))
    looks.look()
    assert looks.restarts == ["API 4110", "API 4112"]
    looks.list_apis(4_110, 4_112, looks.start(4_113))
    looks.look(600.0)
    assert looks.restarts == ["API 4110", "API 4112", "API 4113"]


def test_a_process_that_is_killed_and_started_again_is_told_when_the_old_one_is_missed() -> None:
    looks = Looks()
    # The dead one is listed for as long as its last heartbeat is fresh.
    looks.list_apis(looks.start(4_999), 4_100, 4_102, 4_103)
    looks.look(HEARTBEAT_SECONDS)
    assert looks.restarts == []
    looks.list_apis(4_999, 4_102, 4_103)
    looks.look(60.0)
    assert looks.restarts == ["API 4999"]


def test_a_process_that_dies_again_and_again_is_told_each_time() -> None:
    looks = Looks()
    for pid in (4_991, 4_992, 4_993):
        looks.list_apis(looks.start(pid), 4_102, 4_103)
        looks.look(4.0)
    looks.look(600.0)
    assert looks.restarts == ["API 4991", "API 4992", "API 4993"]


def test_who_joins_while_another_starts_again_is_not_taken_for_it() -> None:
    looks = Looks()
    status = looks.peer.describe_status

    def tell_hosts() -> dict[str, object]:
        told = status()
        for process in told["parts"]["api"]["processes"]:
            process["host"] = "other" if process["pid"] == 4_300 else "box"
        return told

    looks.peer.describe_status = tell_hosts  # type: ignore[method-assign]
    again = looks.start(4_999)
    looks.list_apis(4_102, 4_103, again, looks.start(4_300))
    looks.look(600.0)
    assert looks.restarts == ["API 4999"]


def test_a_restart_while_the_console_is_disconnected_is_told_afterwards() -> None:
    looks = Looks(ServicePeer(FrozenClock()))
    looks.wait(1_800.0)
    looks.list_apis(looks.start(4_999))
    looks.peer.worker_pids = [looks.start(4_299)]
    looks.peer.store_started_at = looks.peer.clock.now()
    looks.wait(3_600.0)
    looks.look(20.0)
    assert looks.restarts == [
        "API 4999",
        "PostgreSQL restarted: started 12:30:04",
        "Redis restarted: started 12:30:04",
        "Worker 4299",
    ]


def test_a_worker_that_comes_back_after_a_long_time_has_restarted() -> None:
    looks = Looks()
    looks.peer.away = {"worker"}
    looks.look(1_200.0)
    looks.peer.away = set()
    looks.peer.worker_pids = [looks.start(4_201)]
    looks.look()
    assert looks.restarts == ["Worker 4201"]


def test_a_process_that_was_silent_for_a_while_has_not_restarted() -> None:
    looks = Looks()
    for _ in range(2):
        looks.list_apis(4_100, 4_102)
        looks.look(20.0)
        looks.list_apis(4_100, 4_102, 4_103)
        looks.look(20.0)
    looks.list_apis(4_100, 4_102, 4_103, looks.start(4_104))
    looks.look(600.0)
    assert looks.restarts == []


def test_clocks_of_api_hosts_that_differ_make_no_restarts() -> None:
    looks = Looks()
    for ahead in (0, 2, 0, 3, 0, 90, 0):
        looks.peer.clock_ahead = timedelta(seconds=ahead)
        looks.look()
    assert looks.restarts == []


def test_a_restart_is_seen_also_by_an_api_host_whose_clock_differs() -> None:
    looks = Looks()
    looks.look(60.0)
    looks.peer.store_started_at = looks.peer.clock.now()
    for ahead in (-2, 0, -2, 0):
        looks.peer.clock_ahead = timedelta(seconds=ahead)
        looks.look()
    assert looks.restarts == [
        "PostgreSQL restarted: started 12:01:02",
        "Redis restarted: started 12:01:00",
    ]


def test_a_console_whose_clock_is_set_makes_no_restarts() -> None:
    looks = Looks()
    for minutes in (5, -5, 0):
        looks.console_ahead = timedelta(minutes=minutes)
        looks.look()
    assert looks.restarts == []
