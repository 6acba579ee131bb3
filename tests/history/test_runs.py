"""Run ids sort by time; `latest` leads to the newest run."""

from datetime import UTC, datetime, timedelta, timezone

from chaos.history.runs import new_run_id, point_latest


def test_ids_sort_by_time_wherever_they_were_made():
    early = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
    late = (early + timedelta(seconds=1)).astimezone(timezone(timedelta(hours=-8)))
    assert new_run_id(early, "zebra") < new_run_id(late, "ant")
    assert new_run_id(early, "zebra", token="00ff") == "20260105T090000Z-zebra-00ff"


def test_two_runs_of_one_second_differ():
    now = datetime(2026, 1, 5, tzinfo=UTC)
    assert new_run_id(now, "x") != new_run_id(now, "x")


def test_an_id_fits_into_a_label_however_long_the_scenarios_name():
    assert len(new_run_id(datetime(2026, 1, 5, tzinfo=UTC), "a" * 63)) <= 63


def test_latest_follows_the_newest_run(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        point_latest(tmp_path, tmp_path / name)
        assert (tmp_path / "latest").resolve() == tmp_path / name
    assert {each.name for each in tmp_path.iterdir()} == {"one", "two", "latest"}


def test_a_folder_called_latest_is_left_alone(tmp_path):
    (tmp_path / "latest").mkdir()
    (tmp_path / "one").mkdir()
    point_latest(tmp_path, tmp_path / "one")
    assert {each.name for each in tmp_path.iterdir()} == {"one", "latest"}
    assert not (tmp_path / "latest").is_symlink()
