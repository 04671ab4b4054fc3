// Submits a score so that it counts once, whatever happens on the way, reads what became of it, and
// what the stream of the board says first.
//
//	go run leaderboard.go http://127.0.0.1:8000 steam:4711 ada 1200
//
// The player is known by your own id of them, here `steam:4711`; the name is for people. Needs Go
// 1.18 or newer and no modules. Once the service has keys, put one of the role `submit` into
// LEADERBOARD_API_KEY.
package main

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"math"
	mathrand "math/rand"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
)

const attempts = 8

var client = &http.Client{Timeout: 5 * time.Second}

type answer struct {
	UserID      int64    `json:"user_id"`
	Username    string   `json:"username"`
	SessionID   int64    `json:"session_id"`
	TotalScore  int64    `json:"total_score"`
	Rank        *int64   `json:"rank"`
	Players     int64    `json:"players"`
	Leaderboard []answer `json:"leaderboard"`
	Code        string   `json:"code"`
	Error       string   `json:"error"`
}

func (one answer) place() string {
	if one.Rank == nil {
		return "unknown"
	}
	return strconv.FormatInt(*one.Rank, 10)
}

func newRequest(method, address string, body []byte, key string) (*http.Request, error) {
	request, err := http.NewRequest(method, address, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if key != "" {
		request.Header.Set("Idempotency-Key", key)
	}
	if apiKey := os.Getenv("LEADERBOARD_API_KEY"); apiKey != "" {
		request.Header.Set("Authorization", "Bearer "+apiKey)
	}
	return request, nil
}

// Sends a request until it is answered; only one that may be sent twice.
func send(method, address string, body []byte, key string) (int, answer, error) {
	var found answer
	for attempt := 0; attempt < attempts; attempt++ {
		spread := 0.5 + mathrand.Float64()/2
		pause := time.Duration(math.Min(100*math.Pow(2, float64(attempt)), 5_000)*spread) * time.Millisecond
		request, err := newRequest(method, address, body, key)
		if err != nil {
			return 0, found, err
		}
		response, err := client.Do(request)
		if err == nil {
			// Read here: the connection may be lost in the middle of an answer, too.
			var text []byte
			text, err = io.ReadAll(response.Body)
			response.Body.Close()
			switch {
			case err != nil:
			case response.StatusCode == 429 || response.StatusCode >= 500:
				asked, _ := strconv.Atoi(response.Header.Get("Retry-After"))
				if wanted := time.Duration(asked) * time.Second; wanted > pause {
					pause = wanted
				}
			default:
				return response.StatusCode, found, json.Unmarshal(text, &found)
			}
		}
		// It may have been carried out all the same: the key makes that harmless.
		time.Sleep(pause)
	}
	return 0, found, fmt.Errorf("%s %s got no answer in %d attempts", method, address, attempts)
}

// Returns the answer, or ends with what the service says is wrong, and what to do.
func expect(status int, found answer, err error) answer {
	if err == nil && status >= 400 {
		err = fmt.Errorf("%d %s: %s", status, found.Code, found.Error)
	}
	if err != nil {
		log.Fatal(err)
	}
	return found
}

func encode(fields map[string]any) []byte {
	body, err := json.Marshal(fields)
	if err != nil {
		log.Fatal(err)
	}
	return body
}

// Returns the user_id of the player whom we call by this id. Never of whoever has the name: that may
// be somebody else, and then the 409 says so.
func findOrRegister(service, externalID, username string) int64 {
	address := service + "/api/players?external_id=" + url.QueryEscape(externalID)
	status, found, err := send("GET", address, nil, "")
	if status == http.StatusNotFound {
		body := encode(map[string]any{"username": username, "external_id": externalID})
		status, found, err = send("POST", service+"/api/players", body, "")
	}
	return expect(status, found, err).UserID
}

func read(service, path string) answer {
	return expect(send("GET", service+"/api/leaderboard/"+path, nil, ""))
}

func show(title string, entries []answer) {
	fmt.Println(title)
	for _, entry := range entries {
		fmt.Printf("  %s. %s: %d\n", entry.place(), entry.Username, entry.TotalScore)
	}
}

// Returns the first top that the stream sends.
func readStream(service string) (string, error) {
	request, err := newRequest("GET", service+"/api/leaderboard/stream?limit=1", nil, "")
	if err != nil {
		return "", err
	}
	// It has no end, so there is no time by which it has to come.
	response, err := (&http.Client{}).Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "data: ") {
			return strings.TrimPrefix(lines.Text(), "data: "), nil
		}
	}
	return "", fmt.Errorf("the stream ended: %v", lines.Err())
}

func main() {
	if len(os.Args) != 5 {
		log.Fatal("usage: leaderboard URL EXTERNAL_ID USERNAME SCORE")
	}
	service := os.Args[1]
	score, err := strconv.ParseInt(os.Args[4], 10, 64)
	if err != nil {
		log.Fatal(err)
	}
	userID := findOrRegister(service, os.Args[2], os.Args[3])
	// One key for each score, made before the first attempt and kept for all of them. A game that has
	// an id of its own for the match takes that one.
	random := make([]byte, 16)
	if _, err := rand.Read(random); err != nil {
		log.Fatal(err)
	}
	body := encode(map[string]any{"user_id": userID, "score": score})
	submitted := expect(send("POST", service+"/api/leaderboard/submit", body, fmt.Sprintf("%x", random)))
	fmt.Printf("session %d is on disk\n", submitted.SessionID)
	// Answered once that score counts.
	rank := read(service, fmt.Sprintf("rank/%d?seen=%d", userID, submitted.SessionID))
	fmt.Printf("%s has %d points, rank %s of %d\n", rank.Username, rank.TotalScore, rank.place(), rank.Players)
	show("the best:", read(service, "top?limit=3").Leaderboard)
	around := fmt.Sprintf("around/%d?radius=1&seen=%d", userID, submitted.SessionID)
	show("the neighbours:", read(service, around).Leaderboard)
	top, err := readStream(service)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("first of all:", top)
}
