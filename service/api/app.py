"""The HTTP application: what it is made of, in which order that starts and stops."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from litestar import Litestar, Router
from litestar.datastructures import State
from litestar.di import Provide
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin

from service.api.fast_path import ExpressLane
from service.api.middleware import Gate
from service.api.openapi import document_examples
from service.backends.broker import connect_broker, disconnect_broker
from service.backends.circuit_breaker import Breaker
from service.backends.database import Database
from service.backends.redis import connect_redis
from service.backends.refresh_signal import RefreshSignal
from service.backends.replica import LaggingReads
from service.boards.service import SeasonFinder
from service.http.auth import Admission
from service.http.errors import EXCEPTION_HANDLERS, failure_listeners, refuse_unknown_schema
from service.http.gate_documentation import document_keys
from service.http.heading import HeadRequests
from service.http.identifying import RequestIds
from service.http.measuring import measure_requests
from service.http.requests import StrictRequest, check_parameters
from service.http.responses import document_strictness
from service.keys.keyring import Keyring
from service.keys.rate_limit import KeyLimiter
from service.lifecycle import Closing
from service.players.routes import players_router
from service.sessions.routes import sessions_router
from service.sessions.service import Ledger
from service.settings.settings import Settings
from service.standings.index.reader import IndexReader
from service.standings.reads.ranks import RankReader
from service.standings.reads.top_feed import TopFeed
from service.standings.routes import standings_router
from service.status.readiness import HealthCheck
from service.status.request_metrics import RequestMetrics
from service.status.routes import ops_router
from service.status.status import StatusReader
from service.tracing.bootstrap import is_monitored, load_agent


def create_app(settings: Settings, *, may_be_open: bool = True) -> Litestar:
    """Wire the service together; connects to nothing until it is started.

    `may_be_open`: only this machine can reach it, so that it needs no keys before one was made.
    `app.state.closing` is for the server to set when it is told to stop: event streams end then.
    """
    agent = load_agent() if is_monitored(settings) else None
    database = Database(settings, application_name="leaderboard api")
    redis = connect_redis(settings)
    breaker = Breaker(redis)
    broker = connect_broker(settings.require_broker_url())
    refresh_signal = RefreshSignal(redis, broker)
    season_finder = SeasonFinder(database, redis, breaker)
    ledger = Ledger(database, refresh_signal, settings)
    lagging_reads = LaggingReads(database, settings)
    top_feed = TopFeed(redis, breaker, lagging_reads, season_finder, refresh_signal)
    index_reader = IndexReader(redis, breaker, database, season_finder, refresh_signal)
    rank_reader = RankReader(lagging_reads, index_reader, season_finder)
    keyring = Keyring(settings)
    key_limiter = (
        KeyLimiter(redis, settings.require_redis_url(), settings.key_requests_per_minute)
        if settings.key_requests_per_minute
        else None
    )
    admission = Admission(keyring, may_be_open=may_be_open, public_reads=settings.public_reads)
    metrics = RequestMetrics()
    status_reader = StatusReader(database, redis, broker, ledger, metrics, season_finder)
    closing = Closing()

    @asynccontextmanager
    async def run(_: Litestar) -> AsyncIterator[None]:
        await database.open()
        await keyring.start()
        await lagging_reads.start()
        refresh_signal.raise_soon(anyway=True)
        top_feed.start()
        status_reader.presence.start()
        try:
            yield
        finally:
            closing.set()
            await ledger.drain()
            await status_reader.presence.stop()
            await refresh_signal.drain()
            await top_feed.stop()
            await breaker.stop()
            if key_limiter is not None:
                await key_limiter.stop()
            await redis.aclose()
            disconnect_broker(broker)
            await lagging_reads.stop()
            await keyring.stop()
            await database.close()
            if agent:
                await agent.stop()

    def provide(value: object) -> Provide:
        return Provide(lambda: value, use_cache=True, sync_to_thread=False)

    app = Litestar(
        route_handlers=[sessions_router, standings_router, players_router, ops_router],
        dependencies={
            "admission": provide(admission),
            "closing": provide(closing),
            "database": provide(database),
            "health_check": provide(HealthCheck(redis, season_finder)),
            "lagging_reads": provide(lagging_reads),
            "ledger": provide(ledger),
            "rank_reader": provide(rank_reader),
            "settings": provide(settings),
            "status_reader": provide(status_reader),
            "top_feed": provide(top_feed),
        },
        before_request=check_parameters,
        exception_handlers=EXCEPTION_HANDLERS,
        lifespan=[run],
        logging_config=None,
        middleware=[measure_requests(metrics)],
        openapi_config=OpenAPIConfig(
            title="Leaderboard",
            version=version("leaderboard"),
            openapi_router=Router(
                "/schema",
                route_handlers=[],
                include_in_schema=False,
                after_request=refuse_unknown_schema,
            ),
            render_plugins=[JsonRenderPlugin(path=["/", "/openapi.json"])],
        ),
        request_class=StrictRequest,
        request_max_body_size=settings.request_body_limit,
        state=State({"closing": closing}),
    )
    document_strictness(app.openapi_schema)
    document_keys(app.openapi_schema)
    document_examples(app.openapi_schema)
    express_lane = ExpressLane(
        HeadRequests(app.asgi_handler),
        ledger,
        top_feed,
        rank_reader,
        metrics,
        body_limit=settings.request_body_limit,
    )
    app.asgi_handler = Gate(
        express_lane,
        admission,
        request_limit=settings.request_limit,
        key_limiter=key_limiter,
    )
    app.asgi_handler = RequestIds(app.asgi_handler, logging_requests=settings.access_log)
    if agent:
        app.asgi_handler = agent.NamedTransactions(app.asgi_handler)
        failure_listeners[:] = [agent.note_failure]
        broker.add_middleware(agent.TraceMessages())
    return app
