"""Finding from the console, against the real service."""

from redis.asyncio import Redis

from dashboard.app import Console
from service.backends.database import Database
from service.settings.settings import Settings
from tests.support.console.frozen_clock import FrozenClock
from tests.support.console.operating import Operator, PatientConsole, PatientGateway, find_board
from tests.support.console.service_peer import ServicePeer
from tests.support.factories import record_scores
from tests.support.season_work import SeasonWorker
from tests.support.serving import serve_app
from tests.support.waiting import wait_until


async def read_rank(operator: Operator) -> int | None:
    """Return the rank under the cursor of the board."""
    await operator.pass_time(0.2)
    line = find_board(operator).read_selected()
    return line.rank if line else None


async def test_players_ranks_and_boards_of_a_service_are_found(
    settings: Settings, database: Database, redis: Redis
) -> None:
    worker = SeasonWorker(database, redis, settings)
    async with serve_app(settings) as (_, client):
        ids = []
        for number, name in enumerate(("Madame Ada", "Łukasz", "ada", "Grace", "100%")):
            body = {"username": name, "external_id": f"steam:{number}"}
            ids.append((await client.post("/api/players", json=body)).json()["user_id"])
        await record_scores(database, *((user_id, 10 * user_id) for user_id in ids))
        laps = {"operator": "best", "direction": "low", "game_mode": "race"}
        answer = await client.put("/api/boards/laps", json=laps)
        assert answer.status_code == 201
        await worker.work()
        clock = FrozenClock()
        console: Console = PatientConsole(PatientGateway(str(client.base_url)), clock)
        async with console.run_test(size=(120, 36), notifications=True):
            operator = Operator(console, ServicePeer(clock))

            async def see(*words: str) -> None:
                async def is_seen() -> bool:
                    await operator.pass_time(0.2)
                    shown = operator.screen_text
                    assert all(word in shown for word in words), shown
                    return True

                await wait_until(is_seen)

            async def find(wanted: str, *listed: str) -> None:
                await operator.press("slash")
                await operator.type(wanted)
                await see(*listed)

                async def is_answered() -> bool:
                    await operator.pass_time(0.2)
                    return "… asking" not in operator.screen_text

                await wait_until(is_answered)
                await operator.press("enter")

            await see("Łukasz", "Grace")
            # Who has the whole name comes before who has it in the name.
            await find("ADA", "player  ada", "player  Madame Ada")
            await see(f"ada  id {ids[2]}")
            await find("UKAS", "player  Łukasz")
            await see(f"Łukasz  id {ids[1]}")
            await find("steam:3", "by external id")
            await see(f"Grace  id {ids[3]}")
            await find("100%", "player  100%")
            await see(f"100%  id {ids[4]}")
            await find("#4", "rank    4")
            await wait_until(lambda: operator.console.current_mode == "live")

            async def is_gone_to() -> bool:
                return await read_rank(operator) == 4

            await wait_until(is_gone_to)
            await find("laps", "board   laps")
            await see("board laps, season 1")
