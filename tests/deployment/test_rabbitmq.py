"""`BROKER_URL=amqp://…`: the main path with RabbitMQ between API, scheduler and workers.

Needs Debian's `rabbitmq-server`. Redis stays the cache.
"""

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from tempfile import TemporaryDirectory

import dramatiq
import httpx
import pytest
import redis as blocking_redis
from dramatiq.brokers.rabbitmq import RabbitmqBroker
from dramatiq.common import dq_name, xq_name

from service.backends.broker import (
    BROKER_ERRORS,
    STANDINGS_QUEUE,
    connect_broker,
    count_messages,
    disconnect_broker,
)
from service.local.embedded import PostgresServer
from tests.support.main_path import PATIENCE_SECONDS, leaderboard, walk_main_path
from tests.support.parts import Part, create_database, find_ports
from tests.support.programs import run
from tests.support.up_process import UpProcess
from tests.support.waiting import wait_until

SERVER = "/usr/lib/rabbitmq/bin/rabbitmq-server"


@pytest.fixture
def rabbitmq(tmp_path: Path) -> Iterator[tuple[Part, str]]:
    """A RabbitMQ and its URL."""
    port, epmd_port, node_port = find_ports(3)
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "ERL_EPMD_PORT": str(epmd_port),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODENAME": f"leaderboard{port}@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODE_PORT": str(port),
        "RABBITMQ_DIST_PORT": str(node_port),
        "RABBITMQ_MNESIA_BASE": str(tmp_path / "mnesia"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(tmp_path / "plugins"),
        "RABBITMQ_LOGS": "-",
        "RABBITMQ_LOG_BASE": str(tmp_path),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
    }
    (tmp_path / "plugins").write_text("[].")
    with ExitStack() as stack:
        # Erlang would start one that nobody stops.
        stack.enter_context(run("epmd", ["epmd", "-port", str(epmd_port)], environment, tmp_path))
        part = Part(
            "rabbitmq", [SERVER], tmp_path, ready="Server startup complete", environment=environment
        )
        stack.callback(part.kill)
        part.start()
        yield part, f"amqp://guest:guest@127.0.0.1:{port}"


def test_main_path_with_rabbitmq(
    rabbitmq: tuple[Part, str], postgres: PostgresServer, redis_url: str, tmp_path: Path
) -> None:
    part, url = rabbitmq
    environment = {
        "DATABASE_URL": create_database(postgres.url, "with_rabbitmq"),
        "REDIS_URL": redis_url,
        "BROKER_URL": url,
    }
    walk_main_path(environment, tmp_path, choose=lambda: part, must_accept=True)


async def test_message_over_a_connection_that_was_closed_for_idleness_arrives(
    rabbitmq: tuple[Part, str],
) -> None:
    """RabbitMQ ends a connection that sends no heartbeat, and its client does not look."""
    part, url = rabbitmq
    broker = connect_broker(f"{url}?heartbeat=1")
    broker.enqueue(make_message())
    assert part.running is not None
    log = part.running.log
    await wait_until(lambda: "missed heartbeats from client" in log.read_text())
    broker.enqueue(make_message())
    assert count_messages(broker, STANDINGS_QUEUE) == (2, 0, 0)
    disconnect_broker(broker)


def test_message_for_a_queue_that_rabbitmq_has_lost_arrives(rabbitmq: tuple[Part, str]) -> None:
    part, url = rabbitmq
    broker, other = connect_broker(url), connect_broker(url)
    broker.enqueue(make_message())
    assert isinstance(other, RabbitmqBroker)
    for name in (STANDINGS_QUEUE, dq_name(STANDINGS_QUEUE), xq_name(STANDINGS_QUEUE)):
        other.channel.queue_delete(name)
    broker.enqueue(make_message())
    assert count_messages(broker, STANDINGS_QUEUE) == (1, 0, 0)
    part.kill()
    with pytest.raises(BROKER_ERRORS):
        broker.enqueue(make_message())
    with pytest.raises(BROKER_ERRORS):
        count_messages(broker, STANDINGS_QUEUE)
    part.start()
    broker.enqueue(make_message())
    assert count_messages(broker, STANDINGS_QUEUE) == (2, 0, 0)
    disconnect_broker(broker)
    disconnect_broker(other)


def test_worker_waits_for_a_rabbitmq_that_is_not_there_yet(
    rabbitmq: tuple[Part, str], database_url: str, redis_url: str, tmp_path: Path
) -> None:
    part, url = rabbitmq
    part.kill()
    environment = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "BROKER_URL": url}
    with run("worker", leaderboard("worker"), environment, tmp_path) as worker:
        worker.wait_for("waiting for the broker")
        part.start()
        worker.wait_for("the broker is there")
        deadline = time.monotonic() + PATIENCE_SECONDS
        with closing(blocking_redis.Redis.from_url(redis_url)) as redis:
            while not [*redis.scan_iter("leaderboard:{*}:offset")]:
                assert time.monotonic() < deadline, worker.log.read_text()
                worker.nap()
        assert worker.stop() == 0


def make_message() -> "dramatiq.Message[None]":
    return dramatiq.Message(
        queue_name=STANDINGS_QUEUE, actor_name="nobody", args=(), kwargs={}, options={}
    )


def test_up_uses_the_rabbitmq_that_is_named(rabbitmq: tuple[Part, str]) -> None:
    part, url = rabbitmq
    assert part.running is not None
    with TemporaryDirectory(prefix="leaderboard-tests-") as folder:
        up = UpProcess(Path(folder) / "up", {"BROKER_URL": url})
        try:
            with httpx.Client(base_url=up.wait_until_ready(), timeout=30) as client:
                client.post("/api/players", json={"username": "ada"}).raise_for_status()
                score = {"user_id": 1, "score": 42}
                client.post("/api/leaderboard/submit", json=score).raise_for_status()
                deadline = time.monotonic() + PATIENCE_SECONDS
                while client.get("/api/leaderboard/rank/1").json()["percentile"] is None:
                    assert time.monotonic() < deadline
                assert client.get("/api/ops/status").json()["queues"]["standings"]["dead"] == 0
        finally:
            up.close()
    assert "authenticated and granted access" in part.running.log.read_text()
