from dashboard.client.answers import Entry
from dashboard.state.board import Board


def entries(*scores: tuple[int, int]) -> list[Entry]:
    """Entries of (user_id, score), in order, ranked by competition ranking."""
    ranked: list[Entry] = []
    for index, (user_id, score) in enumerate(scores):
        tied = index > 0 and scores[index - 1][1] == score
        rank = ranked[-1].rank if tied else index + 1
        ranked.append(Entry(user_id, f"player {user_id}", score, str(score), rank))
    return ranked


def test_movement_is_measured_over_the_window_and_forgotten_after_it() -> None:
    board = Board()
    board.take(entries((1, 30), (2, 20), (3, 10)), at=0.0)
    board.take(entries((3, 40), (1, 30), (2, 20)), at=1.0)
    climber = board.read_line(0, at=1.0)
    assert (climber.user_id, climber.climbed, climber.gained) == (3, 2, 30)
    assert board.read_line(1, at=1.0).climbed == -1

    for second in range(2, 80):
        board.pass_time(float(second))
    assert board.read_line(0, at=79.0).climbed == 0
    assert board.read_line(0, at=79.0).gained == 0
    assert 60.0 <= board.read_window_seconds(79.0) < 65.0


def test_after_a_time_in_which_nobody_looked_the_window_is_as_long_as_that() -> None:
    board = Board()
    for second in range(0, 70, 5):
        board.take(entries((1, 30), (2, 20)), at=float(second))
    board.take(entries((2, 50), (1, 30)), at=665.0)
    assert board.read_line(0, at=665.0).climbed == 1
    assert board.read_window_seconds(665.0) == 600.0
    for second in range(666, 726):
        board.pass_time(float(second))
    assert board.read_line(0, at=725.0).climbed == 0
    assert 60.0 <= board.read_window_seconds(725.0) < 65.0


def test_a_player_who_was_not_there_is_new_until_the_window_has_seen_him() -> None:
    board = Board()
    board.take(entries((1, 30)), at=0.0)
    assert board.read_line(0, at=0.0).climbed == 0
    board.take(entries((1, 30), (9, 5)), at=10.0)
    assert board.read_line(1, at=10.0).climbed is None
    for second in range(11, 90):
        board.pass_time(float(second))
    assert board.read_line(1, at=90.0).climbed == 0


def test_a_score_that_changed_flashes_for_600_ms() -> None:
    board = Board()
    board.take(entries((1, 30), (2, 20)), at=0.0)
    assert not board.read_line(0, at=0.0).flashing
    board.take(entries((1, 31), (2, 20)), at=1.0)
    assert board.read_line(0, at=1.5).flashing
    assert not board.read_line(1, at=1.5).flashing
    assert not board.read_line(0, at=1.61).flashing


def test_ties_are_marked_on_both_sides() -> None:
    board = Board()
    board.take(entries((1, 30), (2, 20), (3, 20), (4, 10)), at=0.0)
    assert [board.read_line(index, 0.0).tied for index in range(4)] == [False, True, True, False]
    assert [board.read_line(index, 0.0).rank for index in range(4)] == [1, 2, 2, 4]


def test_what_is_kept_does_not_grow() -> None:
    board = Board()
    for tick in range(4_000):
        players = range(tick % 7, 100 + tick % 7)
        board.take(entries(*((player, 1_000 - player) for player in players)), at=tick / 4)
    assert len(board._past) == 13
    assert len(board._changed_at) <= 100
    assert len(board._scored_at) <= 100


def test_movers_and_gainers_are_those_who_did_most() -> None:
    board = Board()
    board.take(entries((1, 50), (2, 40), (3, 30), (4, 20)), at=0.0)
    board.take(entries((4, 90), (1, 55), (2, 40), (3, 30)), at=1.0)
    assert board.list_movers(2, 1.0)[0].user_id == 4
    assert [line.user_id for line in board.list_gainers(5, 1.0)] == [4, 1]
