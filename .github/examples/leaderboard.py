"""Submit a score so that it counts once, whatever happens on the way, and read what became of it.

    pip install httpx
    python leaderboard.py http://127.0.0.1:8000 steam:4711 ada 1200

The player is known by your own id of them, here `steam:4711`; the name is for people. Once the
service has keys, put one of the role `submit` into LEADERBOARD_API_KEY.
"""

import os
import random
import sys
import time
import uuid

import httpx

ATTEMPTS = 8


def send(client: httpx.Client, method: str, path: str, **request: object) -> httpx.Response:
    """Send a request until it is answered; only one that may be sent twice."""
    for attempt in range(ATTEMPTS):
        pause = min(0.1 * 2**attempt, 5) * random.uniform(0.5, 1)
        try:
            response = client.request(method, path, **request)
        except httpx.TransportError:
            # The request may have been carried out all the same: the key makes that harmless.
            if attempt == ATTEMPTS - 1:
                raise
        else:
            if response.status_code not in {429, 500, 502, 503, 504}:
                return response
            pause = max(pause, float(response.headers.get("Retry-After", 0)))
        time.sleep(pause)
    raise SystemExit(f"{method} {path} got no answer in {ATTEMPTS} attempts")


def expect(response: httpx.Response) -> dict:
    """Return the answer, or end with what the service says is wrong, and what to do."""
    answer = response.json()
    if response.is_error:
        raise SystemExit(f"{response.status_code} {answer['code']}: {answer['error']}")
    return answer


def find_or_register(client: httpx.Client, external_id: str, username: str) -> int:
    """Return the user_id of the player whom we call by this id.

    Never of whoever has the name: that may be somebody else, and then the 409 says so.
    """
    found = send(client, "GET", "/api/players", params={"external_id": external_id})
    if found.status_code == 404:
        body = {"username": username, "external_id": external_id}
        found = send(client, "POST", "/api/players", json=body)
    return expect(found)["user_id"]


def submit(client: httpx.Client, user_id: int, score: int, key: str) -> int:
    """Return the id of the session; the score is on disk then."""
    body = {"user_id": user_id, "score": score}
    headers = {"Idempotency-Key": key}
    response = send(client, "POST", "/api/leaderboard/submit", json=body, headers=headers)
    return expect(response)["session_id"]


def read(client: httpx.Client, path: str, **query: int) -> dict:
    """Return what the board says."""
    return expect(send(client, "GET", f"/api/leaderboard/{path}", params=query))


def show(title: str, entries: list[dict]) -> None:
    """Write a list of players."""
    print(title)
    for entry in entries:
        print(f"  {entry['rank']}. {entry['username']}: {entry['total_score']}")


def main(url: str, external_id: str, username: str, score: str) -> None:
    """Play one game."""
    api_key = os.environ.get("LEADERBOARD_API_KEY")
    headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
    with httpx.Client(base_url=url, headers=headers, timeout=5) as client:
        user_id = find_or_register(client, external_id, username)
        # One key for each score, made before the first attempt and kept for all of them. A game
        # that has an id of its own for the match takes that one.
        session_id = submit(client, user_id, int(score), key=str(uuid.uuid4()))
        print(f"session {session_id} is on disk")
        # Answered once that score counts.
        rank = read(client, f"rank/{user_id}", seen=session_id)
        place = f"rank {rank['rank']} of {rank['players']}"
        print(f"{rank['username']} has {rank['total_score']} points, {place}")
        show("the best:", read(client, "top", limit=3)["leaderboard"])
        around = read(client, f"around/{user_id}", radius=1, seen=session_id)
        show("the neighbours:", around["leaderboard"])


if __name__ == "__main__":
    if len(sys.argv) != 5:
        raise SystemExit(f"usage: {sys.argv[0]} URL EXTERNAL_ID USERNAME SCORE")
    main(*sys.argv[1:])
