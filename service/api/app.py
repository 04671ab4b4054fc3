"""The HTTP application: what it is made of, in which order that starts and stops."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from importlib.metadata import version
from typing import Any, Final

from litestar import Litestar, Router
from litestar.datastructures import State
from litestar.di import Provide
from litestar.openapi import OpenAPIConfig
from litestar.types import ASGIApp

from service.api.cross_origin import CrossOrigin
from service.api.fast_path import FastPath
from service.api.middleware import AccessControl, HeadRequests, MeasuredRoutes, RequestIds
from service.api.openapi import PrefixedDocument, StructSchemas, name_operation
from service.api.pages.routes import pages_router
from service.api.proxies import Prefixes
from service.backends.broker import connect_broker, disconnect_broker
from service.backends.circuit_breaker import Breaker
from service.backends.database import Database, Pulse
from service.backends.redis import connect_redis
from service.backends.refresh_signal import RefreshSignal
from service.backends.replica import LaggingReads
from service.boards.finder import SeasonFinder
from service.boards.routes import boards_router
from service.http.auth import Authorizer, RouteAccess
from service.http.errors import EXCEPTION_HANDLERS, refuse_unknown_schema
from service.http.requests import StrictRequest, check_request
from service.keys.keyring import Keyring
from service.keys.rate_limit import make_key_limiter
from service.lifecycle import Closing
from service.moderation.routes import (
    moderated_boards_router,
    moderated_sessions_router,
    moderation_log_router,
    players_router,
)
from service.moderation.service import Moderation
from service.seasons.routes import seasons_router
from service.sessions.routes import sessions_router
from service.sessions.service import LEDGER_CONNECTIONS, Ledger
from service.settings.settings import Settings
from service.standings.board_routes import board_standings_router, player_ranks_router
from service.standings.index.reader import IndexReader
from service.standings.reads.lag import LagWatch
from service.standings.reads.movers import MoverReader
from service.standings.reads.ranks import RankReader
from service.standings.reads.seen import SeenSessions
from service.standings.reads.top_feed import TopFeeds
from service.standings.routes import standings_router
from service.status.readiness import HealthCheck
from service.status.request_metrics import SUBMIT_ROUTE, RequestMetrics
from service.status.routes import ops_router
from service.status.status import StatusReader
from service.status.waits import WaitsReader
from service.tracing.bootstrap import load_agent
from service.transfer.routes import export_router, import_router
from service.transfer.service import Transfers

# Two transfers, and a change of a board and a correction with a lock and a transaction each: who
# holds a lock must never wait for a connection. All others have what of these is not in use.
_OTHER_CONNECTIONS: Final = 6


def create_app(settings: Settings, *, may_be_open: bool = True) -> Litestar:
    """Wire the service together; connects to nothing until it is started.

    `may_be_open`: only this machine can reach it, so that it needs no keys before one was made.
    `app.state.closing` is for the server to set when it is told to stop: event streams end then.
    """
    agent = load_agent(settings)
    tracer = agent.tracer if agent else None
    note_failure = agent.note_failure if agent else None

    pulse = Pulse(settings)
    # Connections of its own for the ledger: however many reads come, no submit waits for them.
    ledger_database = Database(
        settings,
        application_name="leaderboard api ledger",
        pool_size=LEDGER_CONNECTIONS,
        pulse=pulse,
    )
    database = Database(
        settings,
        application_name="leaderboard api",
        pool_size=max(settings.database_pool_size - LEDGER_CONNECTIONS, _OTHER_CONNECTIONS),
        pulse=pulse,
    )
    keyring = Keyring(settings)
    lagging_reads = LaggingReads(database, settings)
    broker = connect_broker(settings.require_broker_url())
    if agent:
        broker.add_middleware(agent.trace_messages)
    redis = connect_redis(settings)
    key_limiter = make_key_limiter(redis, settings)
    breaker = Breaker(redis)
    refresh_signal = RefreshSignal(redis, broker, tracer)
    season_finder = SeasonFinder(database, redis, breaker)
    lag_watch = LagWatch(database, redis, breaker, season_finder, refresh_signal, settings)
    index_reader = IndexReader(redis, breaker, database, season_finder, refresh_signal, tracer)
    rank_reader = RankReader(lagging_reads, index_reader, season_finder, lag_watch)
    top_feeds = TopFeeds(
        redis,
        breaker,
        lagging_reads,
        season_finder,
        rank_reader,
        refresh_signal,
        lag_watch,
        tracer,
    )
    seen_sessions = SeenSessions(database, redis, breaker, top_feeds, settings, tracer)
    metrics = RequestMetrics()
    note_stages = partial(metrics.record_stages, SUBMIT_ROUTE)
    ledger = Ledger(ledger_database, refresh_signal, settings, tracer, note_stages)
    status_reader = StatusReader(
        database, redis, broker, ledger, metrics, season_finder, lag_watch, breaker, pulse
    )
    waits_reader = WaitsReader(settings, status_reader, pulse)
    health_check = HealthCheck(redis, season_finder, lag_watch, status_reader.heartbeat, ledger)
    authorizer = Authorizer(keyring, may_be_open=may_be_open, public_reads=settings.public_reads)
    closing = Closing()

    @asynccontextmanager
    async def run(_: Litestar) -> AsyncIterator[None]:
        """Start the parts in order of dependence; each is stopped after all that came later."""
        async with AsyncExitStack() as parts:
            if agent:
                parts.push_async_callback(agent.stop)
            await _start(parts, ledger_database.open, ledger_database.close)
            await _start(parts, database.open, database.close)
            await _start(parts, pulse.start, pulse.stop)
            await _start(parts, waits_reader.start, waits_reader.stop)
            await _start(parts, keyring.start, keyring.stop)
            await _start(parts, lagging_reads.start, lagging_reads.stop)
            parts.callback(disconnect_broker, broker)
            parts.push_async_callback(redis.aclose)
            parts.push_async_callback(index_reader.stop)
            if key_limiter is not None:
                parts.push_async_callback(key_limiter.stop)
            parts.push_async_callback(breaker.stop)
            # After those who ask for refreshes until they have stopped.
            parts.push_async_callback(refresh_signal.drain)
            refresh_signal.raise_soon(anyway=True)
            parts.push_async_callback(season_finder.stop)
            parts.push_async_callback(lag_watch.stop)
            lag_watch.start()
            parts.push_async_callback(top_feeds.stop)
            top_feeds.start()
            parts.push_async_callback(status_reader.stop)
            status_reader.start()
            parts.push_async_callback(ledger.drain)
            parts.callback(closing.set)
            yield

    app = Litestar(
        route_handlers=[
            sessions_router,
            standings_router,
            players_router,
            boards_router,
            board_standings_router,
            seasons_router,
            player_ranks_router,
            moderated_boards_router,
            moderated_sessions_router,
            moderation_log_router,
            export_router,
            import_router,
            ops_router,
            pages_router,
        ],
        dependencies={
            "authorizer": _provide(authorizer),
            "closing": _provide(closing),
            "database": _provide(database),
            "health_check": _provide(health_check),
            "lagging_reads": _provide(lagging_reads),
            "ledger": _provide(ledger),
            "moderation": _provide(Moderation(database, refresh_signal)),
            "mover_reader": _provide(MoverReader(lagging_reads, index_reader, lag_watch)),
            "rank_reader": _provide(rank_reader),
            "season_finder": _provide(season_finder),
            "seen_sessions": _provide(seen_sessions),
            "settings": _provide(settings),
            "status_reader": _provide(status_reader),
            "top_feeds": _provide(top_feeds),
            "transfers": _provide(Transfers(database, refresh_signal, closing)),
            "waits_reader": _provide(waits_reader),
        },
        after_exception=[agent.note_failed_request] if agent else None,
        before_request=check_request,
        exception_handlers=EXCEPTION_HANDLERS,
        lifespan=[run],
        logging_config=None,
        middleware=[partial(MeasuredRoutes, metrics=metrics)],
        openapi_config=OpenAPIConfig(
            title="Leaderboard",
            operation_id_creator=name_operation,
            use_handler_docstrings=True,
            version=version("leaderboard"),
            openapi_router=Router(
                "/schema",
                route_handlers=[],
                include_in_schema=False,
                after_request=refuse_unknown_schema,
                opt={"role": None},
            ),
            render_plugins=[PrefixedDocument(path=["/", "/openapi.json"])],
        ),
        plugins=[StructSchemas()],
        request_class=StrictRequest,
        request_max_body_size=settings.request_body_limit,
        state=State({"closing": closing}),
    )
    access = RouteAccess(app.routes)

    layers: list[Callable[[ASGIApp], ASGIApp]] = [
        *([agent.name_transactions] if agent else []),
        partial(RequestIds, logging_requests=settings.access_log),
        *(
            [partial(Prefixes, root_path=settings.root_path, trusted=settings.trusted_proxies)]
            if settings.root_path or settings.trusted_proxies
            else []
        ),
        *(
            [partial(CrossOrigin, access=access, origins=settings.cors_origins)]
            if settings.cors_origins
            else []
        ),
        partial(
            AccessControl,
            access=access,
            authorizer=authorizer,
            key_limiter=key_limiter,
            request_limit=settings.request_limit,
            stream_limit=settings.stream_limit,
            on_failure=note_failure,
        ),
        partial(
            FastPath,
            ledger=ledger,
            season_finder=season_finder,
            top_feeds=top_feeds,
            rank_reader=rank_reader,
            seen_sessions=seen_sessions,
            metrics=metrics,
            body_limit=settings.request_body_limit,
            on_failure=note_failure,
        ),
        HeadRequests,
    ]
    # A request passes them from first to last, and then comes to the routes.
    for layer in reversed(layers):
        app.asgi_handler = layer(app.asgi_handler)
    return app


def _provide(value: object) -> Provide:
    return Provide(lambda: value, use_cache=True, sync_to_thread=False)


async def _start(
    parts: AsyncExitStack,
    start: Callable[[], Awaitable[Any]],
    stop: Callable[[], Awaitable[Any]],
) -> None:
    # The stop comes first: also a start that is interrupted leaves something to stop.
    parts.push_async_callback(stop)
    await start()
