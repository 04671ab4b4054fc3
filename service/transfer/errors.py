"""Why an import or an export is refused, as a whole or in a line."""

from service.errors import FieldError, InvalidRequest, ServiceError


class LineRefused(InvalidRequest):
    """A line of an import that cannot be taken as it is; the others are."""

    message = "The line is not valid."

    def __init__(
        self, field: str, fault: str, message: str | None = None, code: str | None = None
    ) -> None:
        super().__init__(message, FieldError(field, fault))
        if code is not None:
            self.code = code  # type: ignore[misc]


class FileUnreadable(InvalidRequest):
    """From this line on nothing can be read; what came before is imported."""

    code = "file_unreadable"

    def __init__(self, line: int, field: str, fault: str) -> None:
        told = (
            f"Line {line} and what follows cannot be read: {fault}. The lines before are imported; "
            "mend the file and import all of it again."
        )
        if field == "header":
            told = (
                f"Line {line} has no header that can be read: {fault}. Nothing is imported; mend "
                "the file and import it again."
            )
        super().__init__(told, FieldError(field, fault))
        self.line = line


class TransfersBusy(ServiceError):
    """As many imports or exports are under way as a process takes."""

    status = 503
    code = "too_busy"
    retry_after_seconds = 10

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"{limit} imports or exports are under way here already; send this one again shortly."
        )


class TransferInterrupted(ServiceError):
    """The process is stopping in the middle of an import or export."""

    status = 503
    code = "interrupted"
    retry_after_seconds = 1
    message = "This process is stopping; start again. An import goes on where it was interrupted."


class ProtocolTooOld(ServiceError):
    """HTTP/1.0 has no way to tell a reader that an answer of unknown length was cut off."""

    status = 505
    code = "http_version_not_supported"
    message = (
        "An export is sent in chunks, by whose end a reader knows that it is whole: use "
        "HTTP/1.1 (with nginx in between: `proxy_http_version 1.1`)."
    )


class FormatUnknown(ServiceError):
    """The body of an import says that it is neither CSV nor NDJSON."""

    status = 415
    code = "unsupported_media_type"

    def __init__(self, content_type: str) -> None:
        super().__init__(
            f"The body is {content_type!r} by its Content-Type; send `text/csv` or "
            "`application/x-ndjson`."
        )
