"""`leaderboard simulate`, as `python -m dashboard.simulation`."""

from dashboard.simulation.cli import main

if __name__ == "__main__":
    main()
