"""What Litestar need not find out anew in tests: one process makes hundreds of applications."""

import copy
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from litestar._signature.model import SignatureModel
from litestar.handlers.base import BaseRouteHandler
from litestar.routes import HTTPRoute
from litestar.utils.signature import ParsedSignature


def share_signatures(patch: pytest.MonkeyPatch) -> None:
    """Let each application find what an earlier one has read from the same functions.

    A process of the API makes one application, and gains nothing by that.
    """
    parse, create = ParsedSignature.from_fn, SignatureModel.create
    parsed: dict[tuple[Any, ...], ParsedSignature] = {}
    models: dict[tuple[Any, ...], type[SignatureModel]] = {}

    def find_parsed(fn: Callable[..., Any], namespace: dict[str, Any]) -> ParsedSignature:
        # Of functions that an application makes for itself the code is always the same one.
        key = (getattr(fn, "__code__", fn), *namespace.items())
        if key not in parsed:
            parsed[key] = parse(fn, namespace)
        return parsed[key]

    def find_model(
        *,
        dependency_name_set: set[str],
        fn: Callable[..., Any],
        parsed_signature: ParsedSignature,
        type_decoders: Sequence[Any],
        data_dto: Any = None,
    ) -> type[SignatureModel]:
        # Signatures are shared for good, so that an id remains theirs; decoders are Litestar's own.
        key = (id(parsed_signature), *sorted(dependency_name_set), data_dto)
        if key not in models:
            models[key] = create(dependency_name_set, fn, parsed_signature, type_decoders, data_dto)
        return models[key]

    def copy_handler(self: BaseRouteHandler, memo: dict[int, Any]) -> BaseRouteHandler:
        # What an application changes of a handler is an attribute of its own, but for the owner.
        copied = memo[id(self)] = copy.copy(self)
        copied.owner = copy.deepcopy(self.owner, memo)
        return copied

    def copy_route(self: HTTPRoute, memo: dict[int, Any]) -> HTTPRoute:
        copied = memo[id(self)] = copy.copy(self)
        copied.route_handlers = copy.deepcopy(self.route_handlers, memo)
        copied.route_handler_map = {}
        return copied

    patch.setattr(ParsedSignature, "from_fn", find_parsed)
    patch.setattr(SignatureModel, "create", find_model)
    patch.setattr(BaseRouteHandler, "__deepcopy__", copy_handler, raising=False)
    patch.setattr(HTTPRoute, "__deepcopy__", copy_route, raising=False)
