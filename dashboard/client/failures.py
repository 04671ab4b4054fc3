"""Why a request has no answer, in words."""

import socket
import ssl
from typing import Final, NamedTuple

import httpx

from dashboard.simulation.client.requests import shorten

TIMEOUT: Final = "timeout"
"""The code of an answer that did not come in time."""


class Failure(NamedTuple):
    """A code for machines, and words for people."""

    code: str
    message: str


def describe_failure(error: httpx.TransportError, patience_seconds: float) -> Failure:
    """Return why there is no answer; `patience_seconds` is the limit of a request without one."""
    if isinstance(error, httpx.ConnectError):
        return _describe_refused_connection(error)
    if isinstance(error, httpx.TimeoutException):
        step = "read" if isinstance(error, httpx.ReadTimeout) else "connect"
        seconds = error.request.extensions["timeout"][step] or patience_seconds
        return Failure(TIMEOUT, f"no answer within {seconds:g} s")
    how = shorten(str(error)).removesuffix(".")
    return Failure("connection_lost", "the connection broke" + f" ({how})" * bool(how))


def _describe_refused_connection(error: httpx.ConnectError) -> Failure:
    """Return why there is no connection: httpx says it of whatever went wrong before there was."""
    cause: BaseException | None = error
    while cause is not None:
        match cause:
            case ssl.SSLCertVerificationError():
                why = f"the certificate is not accepted ({shorten(cause.verify_message)})"
                return Failure("tls_failed", why)
            case ssl.SSLError():
                reason = getattr(cause, "reason", None) or str(cause)
                why = f"TLS fails ({shorten(reason).replace('_', ' ').lower()})"
                return Failure("tls_failed", why)
            case socket.gaierror():
                return Failure("unknown_host", f"the host is not found ({cause.strerror})")
        cause = cause.__cause__ or cause.__context__
    return Failure("connection_refused", "nothing answers")
