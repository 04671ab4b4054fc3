"""What Litestar need not find out anew in tests: one process makes hundreds of applications."""

import copy
from collections.abc import Callable, Sequence
from typing import Any, cast

import pytest
from litestar._kwargs import KwargsModel
from litestar._kwargs.dependencies import DependencyContainer
from litestar._signature.model import SignatureModel
from litestar.di import Provide
from litestar.handlers.base import BaseRouteHandler
from litestar.routes import HTTPRoute
from litestar.types.internal_types import PathParameterDefinition
from litestar.utils.signature import ParsedSignature

# What Litestar reads from the function of a handler, whatever application the handler is in.
_READ_FROM_FUNCTION = (
    "_parsed_data_field",
    "_parsed_fn_signature",
    "_parsed_return_field",
    "_resolved_data_dto",
    "_resolved_return_dto",
    "_signature_model",
)


def share_signatures(patch: pytest.MonkeyPatch) -> None:
    """Let each application find what an earlier one has read from the same functions.

    A process of the API makes one application, and gains nothing by that.
    """
    parse, create = ParsedSignature.from_fn, SignatureModel.create
    parsed: dict[tuple[Any, ...], ParsedSignature] = {}
    models: dict[tuple[Any, ...], type[SignatureModel]] = {}

    def find_parsed(fn: Callable[..., Any], namespace: dict[str, Any]) -> ParsedSignature:
        key = (_identify(fn), *namespace.items())
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

    patch.setattr(ParsedSignature, "from_fn", find_parsed)
    patch.setattr(SignatureModel, "create", find_model)


def share_handlers(patch: pytest.MonkeyPatch) -> None:
    """Let each application find how an earlier one calls the same handlers.

    Its own are the values that it provides them with.
    """
    resolve_dependencies = BaseRouteHandler.resolve_dependencies
    create_kwargs_model = BaseRouteHandler.create_kwargs_model
    kwargs_models: dict[tuple[Any, ...], KwargsModel] = {}
    read: dict[object, dict[str, Any]] = {}

    def copy_handler(self: BaseRouteHandler, memo: dict[int, Any]) -> BaseRouteHandler:
        # What an application changes of a handler is an attribute of its own, but for the owner.
        copied = memo[id(self)] = copy.copy(self)
        copied.owner = copy.deepcopy(self.owner, memo)
        for name, value in read.get(_identify(self.fn), {}).items():
            setattr(copied, name, value)
        return copied

    def copy_route(self: HTTPRoute, memo: dict[int, Any]) -> HTTPRoute:
        copied = memo[id(self)] = copy.copy(self)
        copied.route_handlers = copy.deepcopy(self.route_handlers, memo)
        copied.route_handler_map = {}
        return copied

    def share_dependencies(self: BaseRouteHandler) -> dict[str, Provide]:
        # The first handler of an application gives the providers their signatures.
        app, *others = self.ownership_layers
        provided = cast("dict[str, Provide]", app.dependencies)
        is_first = not all(hasattr(provide, "signature_model") for provide in provided.values())
        if is_first or any(layer.dependencies for layer in others):
            return resolve_dependencies(self)
        return provided

    def find_kwargs_model(
        self: BaseRouteHandler, path_parameters: dict[str, PathParameterDefinition]
    ) -> KwargsModel:
        key = (_identify(self.fn), *path_parameters)
        if key not in kwargs_models:
            created = kwargs_models[key] = create_kwargs_model(self, path_parameters)
            read[_identify(self.fn)] = {name: getattr(self, name) for name in _READ_FROM_FUNCTION}
            # Else they would have to be copied, too.
            assert not any(
                each.dependencies for batch in created.dependency_batches for each in batch
            )
            return created
        model = copy.copy(kwargs_models[key])
        provided = self.resolve_dependencies()
        model.dependency_batches = [
            {DependencyContainer(each.key, provided[each.key], []) for each in batch}
            for batch in model.dependency_batches
        ]
        return model

    patch.setattr(BaseRouteHandler, "__deepcopy__", copy_handler, raising=False)
    patch.setattr(HTTPRoute, "__deepcopy__", copy_route, raising=False)
    patch.setattr(BaseRouteHandler, "resolve_dependencies", share_dependencies)
    patch.setattr(BaseRouteHandler, "create_kwargs_model", find_kwargs_model)


def _identify(fn: Callable[..., Any]) -> object:
    """Return what is the same for a function in every application.

    Of functions that an application makes for itself the code is always the same one.
    """
    return getattr(fn, "__code__", fn)
