"""What a browser gets at `/` and `/docs`, also behind a proxy with a path of its own."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urljoin, urlsplit

import httpx
import pytest

from service.api.app import create_app
from service.settings.settings import Settings
from tests.support.serving import connect_client, run_app

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@asynccontextmanager
async def connect(settings: Settings, **changed: str) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(settings.model_copy(update=changed))
    async with run_app(app), connect_client(app) as client:
        yield client


@pytest.mark.parametrize("prefix", ["", "/lb"])
async def test_links_of_the_pages_lead_somewhere_on_this_service(
    settings: Settings, prefix: str
) -> None:
    async with connect(settings, root_path=prefix) as client:
        for page in ("/", "/docs"):
            response = await client.get(prefix + page, headers=BROWSER)
            assert response.headers["content-type"] == "text/html; charset=utf-8"
            policy = response.headers["content-security-policy"]
            assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
            assert "unsafe" not in policy
            links = set(re.findall(r'(?:src|href)="([^"]+)"', response.text)) - {"data:,"}
            assert links
            for link in links:
                url = urljoin(str(response.url), link)
                assert urlsplit(url).netloc == "leaderboard"
                assert urlsplit(url).path.startswith(prefix)
                found = await client.get(url)
                assert found.status_code == 200, url


async def test_page_names_what_is_there(settings: Settings) -> None:
    async with connect(settings) as client:
        text = (await client.get("/", headers=BROWSER)).text
        assert 'href="docs"' in text
        assert 'href="schema"' in text
        assert 'href="health/ready"' in text
        assert "Idempotency-Key" in text


async def test_others_get_json(settings: Settings) -> None:
    async with connect(settings) as client:
        response = await client.get("/")
        assert response.headers["content-type"] == "application/json"
        assert response.headers["vary"] == "Accept"
        assert response.json().keys() == {"service", "version", "docs", "schema", "ready"}


async def test_addresses_whose_links_would_not_fit_lead_to_those_that_do(
    settings: Settings,
) -> None:
    async with connect(settings, root_path="/lb") as client:
        for sent, wanted in (("/lb", "/lb/"), ("/docs/", "/docs"), ("/lb/docs/", "/lb/docs")):
            response = await client.get(sent, headers=BROWSER)
            assert response.status_code == 307
            assert urlsplit(str(response.next_request.url)).path == wanted  # type: ignore[union-attr]


async def test_no_other_file_is_given_away(settings: Settings) -> None:
    async with connect(settings) as client:
        for name in ("index.html", "__init__.py", "%2e%2e", "..%2froutes.py", "swagger-editor.js"):
            response = await client.get(f"/docs/{name}")
            assert (response.status_code, response.json()["code"]) == (404, "not_found")


async def test_document_says_what_generators_of_clients_need(settings: Settings) -> None:
    async with connect(settings) as client:
        document = (await client.get("/schema")).json()
    structs = document["components"]["schemas"]
    for struct, field in (("SubmitScore", "user_id"), ("SubmitScore", "score"), ("Rank", "rank")):
        assert "int64" in str(structs[struct]["properties"][field]), (struct, field)
    submit = document["paths"]["/api/leaderboard/submit"]["post"]
    (key,) = (one for one in submit["parameters"] if one["name"] == "Idempotency-Key")
    assert "visible ASCII" in key["description"]
    assert "415" in submit["responses"]
    (scheme,) = document["components"]["securitySchemes"].values()
    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")
