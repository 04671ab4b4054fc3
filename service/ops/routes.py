"""HTTP: health and status."""

from litestar import MediaType, Response, Router, get
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec

from service.ops.health import HealthCheck
from service.ops.schemas import Liveness, Readiness, Status
from service.ops.status import StatusReader


@get("/health/live")
async def check_liveness() -> Liveness:
    """Answer as long as the process runs; for whoever restarts it."""
    return Liveness()


@get(
    "/health/ready",
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
    return await status_reader.read()


ops_router = Router(
    "/", route_handlers=[check_liveness, check_readiness, read_status], tags=["operations"]
)
