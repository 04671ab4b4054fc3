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
 * Submits a score so that it counts once, whatever happens on the way, and reads the rank.
 *
 * <pre>java Leaderboard.java http://127.0.0.1:8000 ada 1200</pre>
 *
 * Needs Java 17 or newer and no libraries; a game would read the answers with its own for JSON.
 * Once the service has keys, put one of the role `submit` into LEADERBOARD_API_KEY.
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

    long findOrRegister(String username) throws IOException, InterruptedException {
        String body = "{\"username\": \"" + username + "\"}";
        HttpResponse<String> response = send(post("/api/players", body));
        if (response.statusCode() == 409) {
            String name = URLEncoder.encode(username, StandardCharsets.UTF_8);
            response = send(get("/api/players?username=" + name));
        }
        return readNumber(response, "user_id");
    }

    /** Returns the id of the session; the score is on disk then. */
    long submit(long userId, int score, String key) throws IOException, InterruptedException {
        String body = "{\"user_id\": " + userId + ", \"score\": " + score + "}";
        HttpRequest.Builder request = post("/api/leaderboard/submit", body);
        return readNumber(send(request.header("Idempotency-Key", key)), "session_id");
    }

    static long readNumber(HttpResponse<String> response, String field) throws IOException {
        Matcher found = Pattern.compile("\"" + field + "\":(-?[0-9]+)").matcher(response.body());
        if (response.statusCode() >= 400 || !found.find()) {
            throw new IOException(response.statusCode() + ": " + response.body());
        }
        return Long.parseLong(found.group(1));
    }

    public static void main(String[] arguments) throws Exception {
        Leaderboard leaderboard = new Leaderboard(arguments[0]);
        String username = arguments[1];
        long userId = leaderboard.findOrRegister(username);
        // One key for each score, made before the first attempt and kept for all of them. A game
        // that has an id of its own for the match takes that one.
        String key = UUID.randomUUID().toString();
        long sessionId = leaderboard.submit(userId, Integer.parseInt(arguments[2]), key);
        System.out.println("session " + sessionId + " is on disk");
        Thread.sleep(500); // Scores show in ranks within half a second.
        HttpResponse<String> rank = leaderboard.send(leaderboard.get("/api/leaderboard/rank/" + userId));
        System.out.printf(
                "%s has %d points, rank %d of %d%n",
                username,
                readNumber(rank, "total_score"),
                readNumber(rank, "rank"),
                readNumber(rank, "players"));
    }
}
