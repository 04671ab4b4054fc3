"""HTTP: health and status."""

from typing import Annotated

from litestar import MediaType, Response, Router, get
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import QueryParameter

from service.backends.database import Database
from service.http.responses import INVALID, unavailable
from service.keys.roles import Role
from service.status import session_count
from service.status.prometheus import CONTENT_TYPE, expose
from service.status.readiness import HealthCheck
from service.status.schemas import Liveness, Readiness, SessionCount, Status
from service.status.status import StatusReader
from service.status.waits import Waits, WaitsReader
from service.validation import MAX_ID, MAX_KEY_LENGTH, STORABLE_TEXT


@get("/health/live", role=None)
async def check_liveness() -> Liveness:
    """Answer as long as the process runs; for whoever restarts it."""
    return Liveness()


@get(
    "/health/ready",
    role=None,
    responses={
        200: ResponseSpec(Readiness, description="Every part is there.", generate_examples=False),
        503: ResponseSpec(Readiness, description="Some part is away.", generate_examples=False),
    },
)
async def check_readiness(health_check: NamedDependency[HealthCheck]) -> Response[Readiness]:
    """Say whether PostgreSQL and Redis are there; without either the service does less."""
    readiness = await health_check.check()
    status_code = 200 if readiness.status == "ready" else 503
    return Response(readiness, status_code=status_code, media_type=MediaType.JSON)


@get("/api/ops/status")
async def read_status(status_reader: NamedDependency[StatusReader]) -> Status:
    """Return the state of every part, for the operator."""
    return (await status_reader.read()).status


@get("/api/ops/waits")
async def read_waits(waits_reader: NamedDependency[WaitsReader]) -> Waits:
    """Say why requests are slow: where their time goes, and what PostgreSQL waits for."""
    return await waits_reader.read()


@get("/metrics", media_type=CONTENT_TYPE)
async def read_metrics(status_reader: NamedDependency[StatusReader]) -> Response[bytes]:
    """Return the figures of all processes, whichever one is asked, for Prometheus."""
    return Response(expose(await status_reader.read()), media_type=CONTENT_TYPE)


@get("/api/ops/sessions/count", responses=INVALID | unavailable())
async def count_sessions(
    after: Annotated[
        int,
        QueryParameter(
            ge=0,
            le=MAX_ID,
            description=(
                "Only sessions with a higher id: the `highest_session_id` of `/api/ops/status` "
                "from before the first submit."
            ),
        ),
    ],
    key_prefix: Annotated[
        str,
        QueryParameter(
            min_length=1,
            max_length=MAX_KEY_LENGTH,
            pattern=STORABLE_TEXT,
            description="How their Idempotency-Keys begin.",
        ),
    ],
    database: NamedDependency[Database],
) -> SessionCount:
    """Count what the ledger has of a set of submits, to compare it with what was sent."""
    return await session_count.count_sessions(database, after=after, key_prefix=key_prefix)


ops_router = Router(
    "/",
    route_handlers=[
        check_liveness,
        check_readiness,
        read_status,
        read_waits,
        read_metrics,
        count_sessions,
    ],
    tags=["operations"],
    opt={"role": Role.ADMIN},
)
