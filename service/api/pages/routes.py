"""HTTP: pages for browsers, with everything that they load."""

import json
from importlib.metadata import distribution, version
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final

from litestar import MediaType, Response, Router, get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath

from service.api.proxies import find_prefix
from service.http.requests import StrictRequest

_OWN: Final = files("service.api.pages")
# Found and not imported: of this package only the files are used, and it loads a template engine.
_SWAGGER_UI: Final = Path(str(distribution("swagger-ui-py").locate_file("swagger_ui"))) / "static"

_FILES: Final[dict[str, tuple[Traversable, str]]] = {
    "page.css": (_OWN, "text/css"),
    "docs.js": (_OWN, "text/javascript"),
    "swagger-ui.css": (_SWAGGER_UI, "text/css"),
    "swagger-ui-bundle.js": (_SWAGGER_UI, "text/javascript"),
}

_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Vary": "Accept",
    "X-Content-Type-Options": "nosniff",
}

_INDEX: Final = json.dumps(
    {
        "service": "leaderboard",
        "version": version("leaderboard"),
        "docs": "docs",
        "schema": "schema",
        "ready": "health/ready",
    },
    separators=(",", ":"),
)


@get("/", media_type=MediaType.JSON)
async def read_start(request: StrictRequest) -> Response[str]:
    """Say what this is, to a browser as a page, to others as JSON."""
    if not request.scope["raw_path"]:
        # The prefix of a proxy, without the slash that the links of the page need.
        return _send_to(find_prefix(request.scope) + "/")
    if "text/html" in request.headers.get("accept", ""):
        return _answer_page("index.html")
    return Response(_INDEX, media_type=MediaType.JSON, headers={"Vary": "Accept"})


@get("/docs")
async def read_docs(request: StrictRequest) -> Response[str]:
    """Return the reference of `/schema`, in which every call can be tried."""
    if request.scope["raw_path"].endswith(b"/"):
        # The links of the page begin beside it.
        return _send_to("../docs")
    return _answer_page("docs.html")


@get("/docs/{name:str}")
async def read_docs_file(name: FromPath[str]) -> Response[str]:
    """Return what the pages load."""
    if name not in _FILES:
        raise NotFoundException
    folder, media_type = _FILES[name]
    text = folder.joinpath(name).read_text("utf-8")
    return Response(text, media_type=media_type, headers=_HEADERS)


def _send_to(place: str) -> Response[str]:
    return Response("", status_code=307, headers={"Location": place}, media_type=MediaType.TEXT)


def _answer_page(name: str) -> Response[str]:
    text = _OWN.joinpath(name).read_text("utf-8").replace("{version}", version("leaderboard"))
    return Response(text, media_type=MediaType.HTML, headers=_HEADERS)


pages_router: Final = Router(
    "/",
    route_handlers=[read_start, read_docs, read_docs_file],
    include_in_schema=False,
    opt={"role": None},
)
