// Submit a score so that it counts once, whatever happens on the way, and read the rank.
//
//     node leaderboard.mjs http://127.0.0.1:8000 ada 1200
//
// Needs Node 18 or newer and no packages. Once the service has keys, put one of the role `submit`
// into LEADERBOARD_API_KEY; a page in a browser must not have one.

const ATTEMPTS = 8;
const [url, username, score] = process.argv.slice(2);
const apiKey = process.env.LEADERBOARD_API_KEY;
const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

// Sends a request until it is answered; only one that may be sent twice.
async function send(method, path, { body, headers = {} } = {}) {
  if (apiKey) headers.Authorization = `Bearer ${apiKey}`;
  if (body) headers["Content-Type"] = "application/json";
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    let pause = Math.min(100 * 2 ** attempt, 5000) * (0.5 + Math.random() / 2);
    try {
      const response = await fetch(new URL(path, url), {
        method,
        headers,
        body: body && JSON.stringify(body),
        signal: AbortSignal.timeout(5000),
      });
      // Read here: the connection may be lost in the middle of an answer, too.
      const answer = await response.json();
      if (![429, 500, 502, 503, 504].includes(response.status)) {
        return { status: response.status, answer };
      }
      pause = Math.max(pause, 1000 * Number(response.headers.get("Retry-After") ?? 0));
    } catch (error) {
      // The request may have been carried out all the same: the key makes that harmless.
      if (attempt === ATTEMPTS - 1) throw error;
    }
    await sleep(pause);
  }
  throw new Error(`${method} ${path} got no answer in ${ATTEMPTS} attempts`);
}

function expect({ status, answer }) {
  if (status >= 400) throw new Error(`${status}: ${answer.error}`);
  return answer;
}

async function findOrRegister(username) {
  const registered = await send("POST", "api/players", { body: { username } });
  if (registered.status !== 409) return expect(registered).user_id;
  return expect(await send("GET", `api/players?username=${encodeURIComponent(username)}`)).user_id;
}

const userId = await findOrRegister(username);
// One key for each score, made before the first attempt and kept for all of them. A game that has
// an id of its own for the match takes that one.
const submitted = await send("POST", "api/leaderboard/submit", {
  body: { user_id: userId, score: Number(score) },
  headers: { "Idempotency-Key": crypto.randomUUID() },
});
console.log(`session ${expect(submitted).session_id} is on disk`);
await sleep(500); // Scores show in ranks within half a second.
const rank = expect(await send("GET", `api/leaderboard/rank/${userId}`));
console.log(`${username} has ${rank.total_score} points, rank ${rank.rank} of ${rank.players}`);
