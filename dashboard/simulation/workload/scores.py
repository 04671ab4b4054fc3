"""The distributions from which a run draws its scores."""

from enum import StrEnum
from random import Random

LARGEST_SCORE = 2**53 - 1


class Scores(StrEnum):
    """How the scores of a run are spread."""

    LOGNORMAL = "lognormal"
    """Half of them below e^6 = 403, one in a thousand above 8,900."""

    UNIFORM = "uniform"
    """Each from 0 to 1,000 as likely as any other."""

    NORMAL = "normal"
    """Two thirds of them within 150 of 500."""

    PARETO = "pareto"
    """Eight in ten below 400, one in a thousand above 38,000: few players have nearly all."""

    CONSTANT = "constant"
    """Each is 100, so that players tie."""


def draw_score(scores: Scores, draws: Random) -> int:
    """Return the next score, from 0 to the largest that the service takes."""
    return min(max(int(_draw(scores, draws)), 0), LARGEST_SCORE)


def _draw(scores: Scores, draws: Random) -> float:
    match scores:
        case Scores.LOGNORMAL:
            return draws.lognormvariate(6.0, 1.0)
        case Scores.UNIFORM:
            return draws.uniform(0, 1_001)
        case Scores.NORMAL:
            return draws.gauss(500, 150)
        case Scores.PARETO:
            # The shape of "a fifth has four fifths".
            return 100 * draws.paretovariate(1.161)
        case Scores.CONSTANT:
            return 100
