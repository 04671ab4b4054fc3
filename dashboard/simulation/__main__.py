"""`leaderboard simulate`, as `python -m dashboard.simulation`."""

from dashboard.simulation.cli import main
from dashboard.text.output import guarded_output

if __name__ == "__main__":
    with guarded_output():
        main()
