"""Errors of the servers and programs that this machine runs itself."""

from service.errors import UsageError


class StartFailed(UsageError):
    """A server or program cannot be started; the message says why and where its log is."""
