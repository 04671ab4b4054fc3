import java.io.IOException;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.ThreadLocalRandom;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Submits a score so that it counts once, whatever happens on the way, and reads what became of it.
 *
 * <pre>java Leaderboard.java http://127.0.0.1:8000 steam:4711 ada 1200</pre>
 *
 * The player is known by your own id of them, here `steam:4711`; the name is for people. Needs Java 17 or
 * newer and no libraries; a game would read and write JSON with its own. Once the service has keys,
 * put one of the role `submit` into LEADERBOARD_API_KEY.
 */
public class Leaderboard {
    private static final int ATTEMPTS = 8;
    private static final Set<Integer> TRY_AGAIN = Set.of(429, 500, 502, 503, 504);

    private final HttpClient client = HttpClient.newHttpClient();
    private final String url;

    Leaderboard(String url) {
        this.url = url;
    }

    /** Sends a request until it is answered; only one that may be sent twice. */
    HttpResponse<String> send(HttpRequest.Builder request) throws IOException, InterruptedException {
        String apiKey = System.getenv("LEADERBOARD_API_KEY");
        if (apiKey != null) {
            request.setHeader("Authorization", "Bearer " + apiKey);
        }
        HttpRequest built = request.timeout(Duration.ofSeconds(5)).build();
        for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
            double spread = ThreadLocalRandom.current().nextDouble(0.5, 1);
            long pause = (long) (Math.min(100 << attempt, 5_000) * spread);
            try {
                HttpResponse<String> response = client.send(built, BodyHandlers.ofString());
                if (!TRY_AGAIN.contains(response.statusCode())) {
                    return response;
                }
                long asked = response.headers().firstValueAsLong("Retry-After").orElse(0);
                pause = Math.max(pause, 1_000 * asked);
            } catch (IOException error) {
                // It may have been carried out all the same: the key makes that harmless.
                if (attempt == ATTEMPTS - 1) {
                    throw error;
                }
            }
            Thread.sleep(pause);
        }
        throw new IOException(built.uri() + " got no answer in " + ATTEMPTS + " attempts");
    }

    HttpRequest.Builder get(String path) {
        return HttpRequest.newBuilder(URI.create(url + path));
    }

    HttpRequest.Builder post(String path, String body) {
        return get(path)
                .header("Content-Type", "application/json")
                .POST(BodyPublishers.ofString(body));
    }

    /**
     * Returns the user_id of the player whom we call by this id. Never of whoever has the name: that
     * may be somebody else, and then the 409 says so.
     */
    long findOrRegister(String externalId, String username)
            throws IOException, InterruptedException {
        String id = URLEncoder.encode(externalId, StandardCharsets.UTF_8);
        HttpResponse<String> response = send(get("/api/players?external_id=" + id));
        if (response.statusCode() == 404) {
            String body = "{\"username\": " + quote(username) + ", \"external_id\": " + quote(externalId) + "}";
            response = send(post("/api/players", body));
        }
        return readNumber(response, "user_id");
    }

    /** Returns the id of the session; the score is on disk then. */
    long submit(long userId, long score, String key) throws IOException, InterruptedException {
        String body = "{\"user_id\": " + userId + ", \"score\": " + score + "}";
        HttpRequest.Builder request = post("/api/leaderboard/submit", body);
        return readNumber(send(request.header("Idempotency-Key", key)), "session_id");
    }

    static String quote(String text) {
        return "\"" + text.replace("\\", "\\\\").replace("\"", "\\\"") + "\"";
    }

    /** Returns the answer, or ends with what the service says is wrong, and what to do. */
    static String expect(HttpResponse<String> response) {
        if (response.statusCode() >= 400) {
            System.err.println(response.statusCode() + ": " + response.body());
            System.exit(1);
        }
        return response.body();
    }

    static long readNumber(HttpResponse<String> response, String field) throws IOException {
        return Long.parseLong(find(expect(response), "\"" + field + "\":(-?[0-9]+)"));
    }

    static String find(String body, String pattern) throws IOException {
        Matcher found = Pattern.compile(pattern).matcher(body);
        if (!found.find()) {
            throw new IOException("not in the answer: " + pattern);
        }
        return found.group(1);
    }

    void show(String title, String path) throws IOException, InterruptedException {
        String body = expect(send(get("/api/leaderboard/" + path)));
        System.out.println(title + " " + find(body, "\"leaderboard\":(\\[.*?\\])"));
    }

    public static void main(String[] arguments) throws Exception {
        if (arguments.length != 4) {
            System.err.println("usage: java Leaderboard.java URL EXTERNAL_ID USERNAME SCORE");
            System.exit(1);
        }
        Leaderboard leaderboard = new Leaderboard(arguments[0]);
        long userId = leaderboard.findOrRegister(arguments[1], arguments[2]);
        // One key for each score, made before the first attempt and kept for all of them. A game
        // that has an id of its own for the match takes that one.
        String key = UUID.randomUUID().toString();
        long sessionId = leaderboard.submit(userId, Long.parseLong(arguments[3]), key);
        System.out.println("session " + sessionId + " is on disk");
        // Answered once that score counts.
        String seen = "seen=" + sessionId;
        HttpResponse<String> rank =
                leaderboard.send(leaderboard.get("/api/leaderboard/rank/" + userId + "?" + seen));
        System.out.printf(
                "%s has %d points, rank %d of %d%n",
                find(expect(rank), "\"username\":\"(.*?)\""),
                readNumber(rank, "total_score"),
                readNumber(rank, "rank"),
                readNumber(rank, "players"));
        leaderboard.show("the best:", "top?limit=3");
        leaderboard.show("the neighbours:", "around/" + userId + "?radius=1&" + seen);
    }
}
