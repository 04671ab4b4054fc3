"""PostgreSQL and Valkey from their wheels, as children of this process, in one data directory."""

from service.local.embedded.errors import StartFailed
from service.local.embedded.postgres import PostgresServer
from service.local.embedded.valkey import ValkeyServer

__all__ = ["PostgresServer", "StartFailed", "ValkeyServer"]
