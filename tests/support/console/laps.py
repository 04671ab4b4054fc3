"""A board of laps with a season that is closed: less is better, and who was first stands first."""

from datetime import timedelta

from service.boards.rule import ScoreFormat
from tests.support.console.frozen_clock import START, FrozenClock
from tests.support.console.operating import Operator
from tests.support.console.service_peer import PeerBoard, PeerSeason, ServicePeer

_WEEK = timedelta(days=7)
_BEGUN = START.replace(hour=0)


def drive_laps() -> ServicePeer:
    """Return a service with the laps, an archived cup and a board that is being filled."""
    peer = ServicePeer(FrozenClock())
    final = [(4, "barbara", 78_123), (1, "ada", 83_456), (2, "grace", 83_456), (9, "hal", 90_001)]
    current = [
        (2, "grace", 94_000),
        (3, "edsger", 94_000),
        (1, "ada", 95_000),
        (5, "donald", 99_500),
    ]
    peer.boards["weekly-laps"] = PeerBoard(
        "weekly-laps",
        "Weekly laps",
        [
            PeerSeason(6, final, "closed", _BEGUN - _WEEK, _BEGUN),
            PeerSeason(7, current, "open", _BEGUN, _BEGUN + _WEEK),
        ],
        is_low=True,
        is_first=True,
        write=ScoreFormat("duration:ms").write,
    )
    cup = [PeerSeason(1, [(1, "ada", 1_250), (2, "grace", 99)])]
    write = ScoreFormat("decimal:2").write
    peer.boards["old-cup"] = PeerBoard("old-cup", "Old [red]cup[/x]", cup, "archived", write=write)
    peer.boards["new-cup"] = PeerBoard("new-cup", "new-cup", [PeerSeason(1, [])], "filling")
    return peer


def drive_busy_boards() -> ServicePeer:
    """Return the same with a board that was closed, one that ends, and what waits on each."""
    peer = drive_laps()
    now = peer.clock.now()
    hour = timedelta(hours=1)
    cup = [PeerSeason(1, [], "closed", now - 9 * hour, now - 3 * hour)]
    peer.boards["won"] = PeerBoard("won", "Won", cup)
    day = [PeerSeason(7, [], "ending", now - 9 * hour, now - hour / 15)]
    peer.boards["daily"] = PeerBoard("daily", "Daily", day)
    peer.boards_status = {
        "filling": [{"board": "new-cup", "season": 1, "percent": 42.5}],
        "ending": [{"board": "daily", "season": 7, "waits_for": "folds"}],
        "pending": [
            {"board": "global", "sessions": 3, "oldest_seconds": 0.4},
            {"board": "weekly-laps", "sessions": 1, "oldest_seconds": 0.1},
        ],
        "pending_limit": 1_000,
    }
    return peer


def set_lap(operator: Operator, user_id: int, score: int) -> None:
    """Let a player of the current season better a lap."""
    season = operator.peer.boards["weekly-laps"].seasons[-1]
    season.scores = [
        (number, name, score if number == user_id else lap) for number, name, lap in season.scores
    ]
    operator.peer.publish()


async def choose_board(operator: Operator, wanted: str, season: str = "") -> None:
    """Choose what the lists find by these words; without a season the first that is listed."""
    await operator.press("b")
    await operator.type(wanted)
    await operator.press("enter")
    if wanted == "laps":
        await operator.type(season)
        await operator.press("enter")
