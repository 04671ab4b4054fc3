\set player random(:first_player, :last_player)
\set score random(0, 999)
INSERT INTO benchmark_session (player_id, score, game_mode, submitted_at)
VALUES (:player, :score, 'solo', now());
