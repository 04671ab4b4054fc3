"""`leaderboard dashboard`, as `python -m dashboard`."""

from dashboard.cli import main
from dashboard.text.output import guarded_output

if __name__ == "__main__":
    with guarded_output():
        main()
