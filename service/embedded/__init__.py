"""PostgreSQL and Valkey out of wheels, as children of this process, in one data directory."""

from service.embedded.errors import StartFailed
from service.embedded.postgres import PostgresServer
from service.embedded.valkey import ValkeyServer

__all__ = ["PostgresServer", "StartFailed", "ValkeyServer"]
