"""The OpenAPI document: what Litestar leaves out of it.

Each struct has its own example and says itself whether it takes unknown fields; each route has its
errors in `responses` and its role in `opt`. Here they are put into the document.
"""

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any, Final

import msgspec
from litestar import Litestar
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import (
    Example,
    OpenAPI,
    OpenAPIMediaType,
    OpenAPIResponse,
    OpenAPIType,
    Operation,
    Parameter,
    Reference,
    Schema,
    SecurityScheme,
)
from litestar.plugins import OpenAPISchemaPlugin
from litestar.typing import FieldDefinition
from msgspec import inspect

from service.api.connection_limits import ArrivedTooSlowly, HeadTooLarge
from service.api.middleware import TooManyRequests
from service.api.proxies import find_prefix
from service.errors import ServiceError, refuse_body, refuse_request
from service.http.auth import RouteAccess
from service.http.errors import AnyRequest
from service.http.requests import BodyTooLarge, UnsupportedEncoding
from service.http.responses import list_examples
from service.keys.errors import (
    KeyRefused,
    KeyRequired,
    KeysUnknown,
    RoleInsufficient,
    TooManyOfKey,
)
from service.keys.roles import Role

_METHODS: Final = ("get", "post", "put", "patch", "delete")
_SCHEME: Final = "key"
_ERROR: Final = Reference(ref="#/components/schemas/ErrorAnswer")


class StructSchemas(OpenAPISchemaPlugin):
    """Adds to Litestar's schema of a struct what it says of itself.

    That is its `example()`, that it takes no other fields, and its `one_of` and `any_of`: the
    fields of which it takes exactly one, or at least one.
    """

    def is_plugin_supported_field(self, field_definition: FieldDefinition) -> bool:
        """Tell whether this is a struct."""
        return not field_definition.is_union and field_definition.is_subclass_of(msgspec.Struct)

    def to_openapi_schema(self, field_definition: FieldDefinition, schema_creator: Any) -> Schema:
        """Return the schema of a struct."""
        litestars_own: OpenAPISchemaPlugin = next(
            plugin
            for plugin in schema_creator.plugins
            if isinstance(plugin, OpenAPISchemaPlugin)
            and plugin is not self
            and plugin.is_plugin_supported_field(field_definition)
        )
        schema = litestars_own.to_openapi_schema(field_definition, schema_creator)
        struct = field_definition.type_
        if struct.__struct_config__.forbid_unknown_fields:
            schema.additional_properties = False
        for field in (schema.properties or {}).values():
            _unwrap_only_type(field)
        _limit_items(schema, struct)
        if hasattr(struct, "one_of"):
            schema.one_of = [_require_given(struct, name) for name in struct.one_of]
        if hasattr(struct, "any_of"):
            schema.any_of = [_require_given(struct, name) for name in struct.any_of]
        if hasattr(struct, "example"):
            # As it will be written: Litestar would leave out every null of it.
            schema.examples = [msgspec.Raw(msgspec.json.encode(struct.example()))]
        return schema


def _require_given(struct: type[msgspec.Struct], name: str) -> Schema:
    """Return what a body is like that has this field; null is as if it were left out.

    But not where a field that is left out is unset, so that null can say something.
    """
    (field,) = [one for one in msgspec.structs.fields(struct) if one.encode_name == name]
    if field.default is msgspec.UNSET:
        return Schema(required=[name])
    given = Schema(schema_not=Schema(type=OpenAPIType.NULL))
    return Schema(required=[name], properties={name: given})


class PrefixedDocument(JsonRenderPlugin):
    """The document as JSON, which names the prefix that a proxy has in front of all paths."""

    def render(self, request: AnyRequest, openapi_schema: dict[str, Any]) -> bytes:
        """Return the document for whoever asks."""
        servers = [{"url": find_prefix(request.scope) or "/"}]
        return self.render_json(request, describe(request.app) | {"servers": servers})


def describe(app: Litestar) -> dict[str, Any]:
    """Return the whole document of an application, made when it is first asked for.

    That takes a third of a second of the event loop, so a server asks before it serves.
    """
    if "document" not in app.state:
        document = app.openapi_schema
        _complete(document, RouteAccess(app.routes))
        app.state["document"] = document.to_schema()
    made: dict[str, Any] = app.state["document"]
    return made


def _unwrap_only_type(field: Schema | Reference) -> None:
    """Have a field that may be left out say its type itself, not as the only one of several."""
    if isinstance(field, Schema) and field.one_of and len(field.one_of) == 1:
        (only,) = field.one_of
        if isinstance(only, Schema):
            field.type, field.enum, field.one_of = only.type, only.enum, None


def _leave_out_null(parameter: Schema) -> None:
    """Have a parameter that may be left out have no null, which nothing in an address is."""
    if parameter.one_of:
        parameter.one_of = [
            one
            for one in parameter.one_of
            if not (isinstance(one, Schema) and one.type is OpenAPIType.NULL)
        ]
        _unwrap_only_type(parameter)


def _limit_items(schema: Schema, struct: type[msgspec.Struct]) -> None:
    """Say between which numbers those of a list are, which Litestar leaves out."""
    described = inspect.type_info(struct)
    assert isinstance(described, inspect.StructType)
    for field in described.fields:
        kinds = field.type.types if isinstance(field.type, inspect.UnionType) else (field.type,)
        numbers = next((one.item_type for one in kinds if isinstance(one, inspect.ListType)), None)
        listed = (schema.properties or {}).get(field.encode_name)
        if isinstance(numbers, inspect.IntType) and isinstance(listed, Schema):
            for one in listed.one_of or (listed,):
                if isinstance(one, Schema) and isinstance(one.items, Schema):
                    one.items.minimum, one.items.maximum = numbers.ge, numbers.le


def name_operation(handler: HTTPRouteHandler, _: object, __: object) -> str:
    """Return the id of an operation, by which clients are generated: `readRank` of `read_rank`."""
    first, *rest = handler.handler_name.split("_")
    return first + "".join(map(str.capitalize, rest))


def _summarise(description: str) -> str:
    """Return the first sentence of a docstring, as a heading."""
    paragraph = " ".join(description.partition("\n\n")[0].split())
    return paragraph.partition(". ")[0].removesuffix(".")


def _complete(document: OpenAPI, access: RouteAccess) -> None:
    """Describe the keys, and for every operation the role it needs and how it is refused."""
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
    for _, _, operation in _list_operations(document):
        for parameter in operation.parameters or ():
            if isinstance(parameter, Parameter) and isinstance(parameter.schema, Schema):
                _leave_out_null(parameter.schema)
    for schema in _find_schemas(document):
        types = schema.type if isinstance(schema.type, list | tuple) else [schema.type]
        if OpenAPIType.INTEGER in types:
            # Without it generators of clients take 32 bits.
            schema.format = "int64"  # type: ignore[assignment]
    for path, method, operation in _list_operations(document):
        _document_early_refusals(path, method, operation)
        assert operation.description, f"{method} {path} has no docstring"
        operation.summary = _summarise(operation.description)
        needed = access.find(method, path).role
        if needed is not None:
            _document_role(operation, needed)
        for response in (operation.responses or {}).values():
            if isinstance(response, OpenAPIResponse):
                _name_examples(response)


def _document_early_refusals(path: str, method: str, operation: Operation) -> None:
    """Add what a request may be answered before its route sees it."""
    _refuse(operation, "The request line and headers are too long.", HeadTooLarge())
    if path.startswith("/api/") and not operation.parameters:
        _refuse(
            operation,
            "There are parameters in the query, and this address takes none.",
            refuse_request("limit", "There is no such parameter; this address takes none"),
        )
    if operation.request_body is None and method != "GET":
        _refuse(
            operation,
            "There are fields in the body, and this address takes none.",
            refuse_body("dry_run", "There is no such field; this address takes none"),
        )
        _refuse(operation, "The body is too large.", BodyTooLarge(65_536))
        _refuse(operation, "The body is coded.", UnsupportedEncoding("gzip"))
    if method != "GET":
        _refuse(
            operation, "The request did not arrive in time, with its body.", ArrivedTooSlowly(30)
        )


def _document_role(operation: Operation, needed: Role) -> None:
    # The second, empty one says that a key may not be needed.
    operation.security = [{_SCHEME: []}, {}]
    role = f"Needs the role `{needed.word}`."
    operation.description = f"{operation.description}\n\n{role}"
    _refuse(
        operation,
        "A key is needed here, or the one that was sent is not valid.",
        KeyRequired(),
        KeyRefused(),
    )
    _refuse(operation, f"The key's role is too low. {role}", RoleInsufficient("read", "submit"))
    _refuse(
        operation,
        "The key has sent too many requests: wait for `Retry-After` seconds.",
        TooManyOfKey(600, 12),
    )
    _refuse(
        operation,
        "Try again after the seconds in `Retry-After`.",
        TooManyRequests(),
        KeysUnknown(),
    )


def _refuse(operation: Operation, description: str, *errors: ServiceError) -> None:
    """Add errors, all of one status, to those that the route itself has of that status."""
    (status,) = {str(error.status) for error in errors}
    responses = operation.responses = dict(operation.responses or {})
    examples: dict[str, Example | Reference] = {**list_examples(*errors)}
    own = responses.get(status)
    if isinstance(own, OpenAPIResponse):
        (body,) = (own.content or {}).values()
        examples = {**(body.examples or {}), **examples}
        if description not in own.description:
            description = f"{own.description} {description}"
    answer = OpenAPIMediaType(schema=_ERROR, examples=examples)
    responses[status] = OpenAPIResponse(
        description=description, content={"application/json": answer}
    )


def _name_examples(response: OpenAPIResponse) -> None:
    """Leave an example's id as its name only; Litestar writes it beside the value as well."""
    for body in (response.content or {}).values():
        body.examples = body.examples and {
            name: replace(example, id=None) if isinstance(example, Example) else example
            for name, example in body.examples.items()
        }


def _list_operations(document: OpenAPI) -> Iterator[tuple[str, str, Operation]]:
    """Yield every operation with its path and its method."""
    for path, item in (document.paths or {}).items():
        for method in _METHODS:
            operation = getattr(item, method)
            if operation is not None:
                assert isinstance(operation, Operation)
                yield path, method.upper(), operation


def _find_schemas(node: object) -> Iterator[Schema]:
    """Yield every schema that is written out below."""
    if node is None or isinstance(node, str | int | float):
        # Nearly all there is: nothing lies below, and a data class is not quickly told.
        return
    if isinstance(node, Schema):
        yield node
    if is_dataclass(node):
        for one in fields(node):
            yield from _find_schemas(getattr(node, one.name))
    elif isinstance(node, Mapping):
        for value in node.values():
            yield from _find_schemas(value)
    elif isinstance(node, list | tuple):
        for value in node:
            yield from _find_schemas(value)
