"""The key under which a score that was typed goes to the service."""

from dashboard.client.submitter import SingleSubmit
from dashboard.runs.single_submit import IdempotencyKeys


def test_a_key_is_kept_for_the_same_score_until_its_fate_is_known_and_for_no_other() -> None:
    keys = IdempotencyKeys()
    score = SingleSubmit(1, 5, "solo")
    first = keys.choose(score)
    assert keys.choose(score) == first
    assert keys.choose(score._replace(score=6)) != first
    second = keys.choose(score)
    keys.forget()
    assert keys.choose(score) != second
