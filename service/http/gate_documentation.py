"""What the OpenAPI document says of keys: who needs one, and what those get who have none."""

from typing import Final

from litestar.openapi.spec import (
    OpenAPI,
    OpenAPIMediaType,
    OpenAPIResponse,
    Operation,
    Reference,
    SecurityScheme,
)

from service.http.auth import find_role
from service.http.responses import list_operations
from service.keys.roles import Role

_SCHEME: Final = "key"
_ERROR: Final = Reference(ref="#/components/schemas/ErrorAnswer")


def document_keys(document: OpenAPI) -> None:
    """Describe the scheme, and for every operation the role it needs and how it is refused."""
    document.components.security_schemes = {
        _SCHEME: SecurityScheme(
            type="http",
            scheme="bearer",
            description=(
                "An API key of `leaderboard keys create`. Nobody needs one before the first was "
                "made; reads may be public all the same."
            ),
        )
    }
    for path, method, operation in list_operations(document):
        needed = find_role(method, path)
        if needed is not None:
            _document_role(operation, needed)


def _document_role(operation: Operation, needed: Role) -> None:
    # The second, empty one says that a key may not be needed.
    operation.security = [{_SCHEME: []}, {}]
    role = f"Needs the role `{needed.word}`."
    operation.description = f"{operation.description or ''} {role}".strip()
    operation.responses = {
        **(operation.responses or {}),
        "401": _refuse("A key is needed here, or the one that was sent is not valid."),
        "403": _refuse(f"The key's role is too low. {role}"),
        "429": _refuse("The key has sent too many requests: wait for `Retry-After` seconds."),
        "503": (operation.responses or {}).get("503")
        or _refuse("Try again after the seconds in `Retry-After`."),
    }


def _refuse(description: str) -> OpenAPIResponse:
    return OpenAPIResponse(
        description=description, content={"application/json": OpenAPIMediaType(schema=_ERROR)}
    )
