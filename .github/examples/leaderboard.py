"""Submit a score so that it counts once, whatever happens on the way, and read the rank.

    pip install httpx
    python leaderboard.py http://127.0.0.1:8000 ada 1200

Once the service has keys, put one of the role `submit` into LEADERBOARD_API_KEY.
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


def find_or_register(client: httpx.Client, username: str) -> int:
    """Return the id of the player with this name."""
    response = send(client, "POST", "/api/players", json={"username": username})
    if response.status_code == 409:
        response = send(client, "GET", "/api/players", params={"username": username})
    return response.raise_for_status().json()["user_id"]


def submit(client: httpx.Client, user_id: int, score: int, key: str) -> int:
    """Return the id of the session; the score is on disk then."""
    body = {"user_id": user_id, "score": score}
    headers = {"Idempotency-Key": key}
    response = send(client, "POST", "/api/leaderboard/submit", json=body, headers=headers)
    return response.raise_for_status().json()["session_id"]


def read_rank(client: httpx.Client, user_id: int) -> dict:
    """Return the player's total and rank."""
    return send(client, "GET", f"/api/leaderboard/rank/{user_id}").raise_for_status().json()


def main(url: str, username: str, score: str) -> None:
    """Play one game."""
    api_key = os.environ.get("LEADERBOARD_API_KEY")
    headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
    with httpx.Client(base_url=url, headers=headers, timeout=5) as client:
        user_id = find_or_register(client, username)
        # One key for each score, made before the first attempt and kept for all of them. A game
        # that has an id of its own for the match takes that one.
        session_id = submit(client, user_id, int(score), key=str(uuid.uuid4()))
        print(f"session {session_id} is on disk")
        time.sleep(0.5)  # Scores show in ranks within half a second.
        rank = read_rank(client, user_id)
        place = f"rank {rank['rank']} of {rank['players']}"
        print(f"{username} has {rank['total_score']} points, {place}")


if __name__ == "__main__":
    main(*sys.argv[1:])
