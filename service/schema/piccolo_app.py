"""Tells Piccolo which tables this project has and where their migrations live."""

from pathlib import Path

from piccolo.conf.apps import AppConfig

from service.boards.tables import Board, Season
from service.keys.tables import ApiKey
from service.players.tables import Player
from service.sessions.tables import GameSession, Outbox
from service.standings.tables import RankBlock, RankSlice, RefreshState, RerankProgress, Standing

APP_CONFIG = AppConfig(
    app_name="leaderboard",
    migrations_folder_path=Path(__file__).parents[2] / "migrations",
    table_classes=[
        Player,
        Board,
        Season,
        GameSession,
        Outbox,
        Standing,
        RankBlock,
        RerankProgress,
        RankSlice,
        RefreshState,
        ApiKey,
    ],
    migration_dependencies=[],
)
