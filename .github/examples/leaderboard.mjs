// Submit a score so that it counts once, whatever happens on the way, and read what became of it.
//
//     node leaderboard.mjs http://127.0.0.1:8000 steam:4711 ada 1200
//
// The player is known by your own id of them, here `steam:4711`; the name is for people. Needs Node
// 18 or newer and no packages. Once the service has keys, put one of the role `submit` into
// LEADERBOARD_API_KEY; a page in a browser must not have one.

const ATTEMPTS = 8;
const [url, externalId, username, score] = process.argv.slice(2);
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

// Returns the answer, or ends with what the service says is wrong, and what to do.
function expect({ status, answer }) {
  if (status < 400) return answer;
  console.error(`${status} ${answer.code}: ${answer.error}`);
  process.exit(1);
}

// Returns the user_id of the player whom we call by this id. Never of whoever has the name: that may
// be somebody else, and then the 409 says so.
async function findOrRegister() {
  const query = new URLSearchParams({ external_id: externalId });
  const found = await send("GET", `api/players?${query}`);
  if (found.status !== 404) return expect(found).user_id;
  const body = { username, external_id: externalId };
  return expect(await send("POST", "api/players", { body })).user_id;
}

const read = async (path) => expect(await send("GET", `api/leaderboard/${path}`));

function show(title, entries) {
  console.log(title);
  for (const { rank, username, total_score } of entries) {
    console.log(`  ${rank}. ${username}: ${total_score}`);
  }
}

if (score === undefined) {
  console.error("usage: node leaderboard.mjs URL EXTERNAL_ID USERNAME SCORE");
  process.exit(1);
}
const userId = await findOrRegister();
// One key for each score, made before the first attempt and kept for all of them. A game that has
// an id of its own for the match takes that one.
const submitted = await send("POST", "api/leaderboard/submit", {
  body: { user_id: userId, score: Number(score) },
  headers: { "Idempotency-Key": crypto.randomUUID() },
});
const sessionId = expect(submitted).session_id;
console.log(`session ${sessionId} is on disk`);
// Answered once that score counts.
const rank = await read(`rank/${userId}?seen=${sessionId}`);
console.log(`${rank.username} has ${rank.total_score} points, rank ${rank.rank} of ${rank.players}`);
show("the best:", (await read("top?limit=3")).leaderboard);
show("the neighbours:", (await read(`around/${userId}?radius=1&seen=${sessionId}`)).leaderboard);
