from tests.support.console.operating import watch_live


async def test_a_part_beyond_its_limit_is_over_then_ok_again() -> None:
    async with watch_live() as operator:
        await operator.press("4")
        operator.peer.oldest = 12.0
        await operator.pass_time(3.2)
        assert operator.read("#tile-worker").startswith("▲ over 12 s oldest pending")
        operator.peer.oldest = 0.2
        await operator.pass_time(3.2)
        assert operator.read("#tile-worker").startswith("✓ ok 0.2 s oldest pending")
        events = operator.read("#events").splitlines()
        assert "ok again" in events[0]
        assert "12 s oldest pending, over 5 s" in events[1]


async def test_server_errors_are_events() -> None:
    async with watch_live() as operator:
        await operator.press("4")
        operator.peer.server_errors = 3
        await operator.pass_time(2.2)
        assert "3 server errors at POST /api/leaderboard/submit" in operator.read("#events")


async def test_freshness_is_what_it_says() -> None:
    async with watch_live() as operator:
        await operator.press("4")
        assert "p50 · p99 ·" in operator.read("#flow")
        operator.peer.shown_sessions = [60, 30, 10, 0]
        await operator.pass_time(2.2)
        # 50 of the 60 sessions of the first 100 ms; 9 of the 10 between 200 and 500 ms.
        assert "p50 83 ms p99 470 ms" in operator.read("#flow")
        assert "submit to visible, 100 sessions" in operator.read("#flow")


async def test_freshness_begins_again_with_another_worker_and_without_one_is_not_known() -> None:
    async with watch_live() as operator:
        await operator.press("4")
        operator.peer.shown_sessions = [60, 30, 10, 0]
        await operator.pass_time(2.2)
        operator.peer.shown_sessions = [0, 0, 0, 7]
        await operator.pass_time(2.2)
        assert "p50 · p99 ·" in operator.read("#flow")
        operator.peer.shown_sessions = [0, 0, 0, 9]
        await operator.pass_time(2.2)
        assert "p50 500 ms p99 500 ms" in operator.read("#flow")
        operator.peer.shown_sessions = None
        await operator.pass_time(2.2)
        assert "freshness unknown: no worker is heard of" in operator.read("#flow")


async def test_events_are_filtered() -> None:
    async with watch_live() as operator:
        await operator.press("4")
        operator.peer.away = {"worker"}
        operator.peer.api_pid = operator.peer.start_process(5_000)
        await operator.pass_time(3.2)
        await operator.press("F")
        await operator.type("worker")
        assert operator.read("#events").splitlines() == [
            "12:00:03 ✕ Worker     away: no process was heard of"
        ]
        await operator.press("escape")
        assert "restarted" in operator.read("#events")


async def test_what_is_typed_into_the_filter_is_no_markup() -> None:
    async with watch_live() as operator:
        await operator.press("4")
        for typed in ("[/x]", "[@click=a.b]q[/]", "[bold", "\\"):
            await operator.press("F")
            await operator.type(typed)
            assert f"Events with “{typed}”" in operator.screen_text
            await operator.press("escape")
            assert "Events with" not in operator.screen_text


async def test_another_database_gives_no_rate_rather_than_a_wrong_one() -> None:
    async with watch_live() as operator:
        operator.peer.highest_session_id = 0
        await operator.pass_time(2.2)
        await operator.press("4")
        assert "submits   ·" in operator.read("#flow")


async def test_queue_is_not_known_while_the_broker_is_away() -> None:
    async with watch_live() as operator:
        await operator.press("4")
        await operator.pass_time(2.2)
        assert "queued    1 message" in operator.read("#flow")
        operator.peer.away = {"redis"}
        await operator.pass_time(2.2)
        assert "queued    · messages" in operator.read("#flow")


async def test_cause_for_which_ranks_stand_still_is_an_event() -> None:
    async with watch_live() as operator:
        await operator.press("4")
        operator.peer.cause = "Redis takes no writes: [/x] OOM"
        await operator.pass_time(4.2)
        operator.peer.cause = None
        await operator.pass_time(3.2)
        events = operator.read("#events").splitlines()
        assert "Index      follows again" in events[0]
        assert "Index      does not follow: Redis takes no writes: [/x] OOM" in events[1]
