"""The table of settings in service/README.md."""

from pathlib import Path

from service.commands.settings_table import BEGIN, END, insert_table, make_settings_table
from service.settings.settings import Settings, environment_name

README = Path(__file__).parents[3] / "service" / "README.md"


def test_readme_lists_every_setting_as_it_is() -> None:
    text = README.read_text("utf-8")
    assert text.count(BEGIN) == text.count(END) == 1
    assert insert_table(text) == text, f"run the command in {BEGIN.strip()}"


def test_table_gives_each_setting_one_row_with_its_meaning() -> None:
    _, _, *rows = make_settings_table().splitlines()
    cells = [row.strip("| ").split(" | ") for row in rows]
    names = [f"`{environment_name(field)}`" for field in Settings.model_fields]
    assert [row[0] for row in cells] == names
    assert [row for row in cells if len(row[-1]) < 10] == []


def test_table_tells_default_and_bounds() -> None:
    table = make_settings_table()
    assert "| `LEADERBOARD_DATABASE_POOL_SIZE` | `8` | 4 to 200 |" in table
    assert "| `LEADERBOARD_LOG_LEVEL` | `info` | `debug`, `info`, `warning`, `error` |" in table
    assert "| `LEADERBOARD_REDIS_TIMEOUT_SECONDS` | `1.0` | more than 0, at most 60 |" in table
