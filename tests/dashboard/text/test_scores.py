import pytest

from dashboard.text.scores import ScoreFormat, group_score
from service.boards import rule

FORMATS = ("integer", "decimal:1", "decimal:6", "duration:ms", "duration:s")
SCORES = (0, 7, -7, 999, 1_000, 83_456, -83_456, 3_600_000, 123_456_789, -(2**53) + 1)


@pytest.mark.parametrize("text", FORMATS)
def test_a_difference_is_written_as_the_service_writes_a_score(text: str) -> None:
    service = rule.ScoreFormat(text)
    for score in SCORES:
        written = ScoreFormat.of_text(service.write(score)).write(score)
        assert written.replace(",", "") == service.write(score)


def test_only_thousands_of_integers_are_grouped() -> None:
    assert group_score(1_234_567, "1234567") == "1,234,567"
    assert group_score(1_234_567, "12345.67") == "12345.67"
    assert group_score(83_456, "1:23.456") == "1:23.456"


def test_a_change_has_a_sign_and_none_is_not_written() -> None:
    laps = ScoreFormat.of_text("1:23.456")
    assert laps.write_change(-456) == "\N{MINUS SIGN}0:00.456"
    assert laps.write_change(61_000) == "+1:01.000"
    assert laps.write_change(0) == ""
    assert ScoreFormat().write_change(-1_240) == "\N{MINUS SIGN}1,240"
