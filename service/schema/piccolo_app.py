"""Tells Piccolo which tables this project has and where their migrations live."""

from pathlib import Path

from piccolo.conf.apps import AppConfig

from service.boards.tables import Board, DroppedSeason, Rule, Season, SeasonRefresh
from service.keys.tables import ApiKey
from service.moderation.tables import ForgottenPlayer, ModerationLog
from service.players.tables import Player
from service.sessions.tables import GameSession, LedgerClock, Outbox
from service.standings.tables import (
    ChangedPlayer,
    DatabaseState,
    LatestRefresh,
    Milestone,
    RankBlock,
    RankSlice,
    RerankProgress,
    Standing,
)

APP_CONFIG = AppConfig(
    app_name="leaderboard",
    migrations_folder_path=Path(__file__).parents[2] / "migrations",
    table_classes=[
        Player,
        Rule,
        Board,
        Season,
        SeasonRefresh,
        DroppedSeason,
        LedgerClock,
        GameSession,
        Outbox,
        Standing,
        ChangedPlayer,
        RankBlock,
        Milestone,
        RerankProgress,
        RankSlice,
        LatestRefresh,
        DatabaseState,
        ApiKey,
        ModerationLog,
        ForgottenPlayer,
    ],
    migration_dependencies=[],
)
