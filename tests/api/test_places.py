import dataclasses
import errno
import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from kerasnlp_kit.api.places import claim, default_name
from kerasnlp_kit.config import OutputOptions, RunConfig
from kerasnlp_kit.errors import UserError
from kerasnlp_kit.export.folder import ModelFolder


@pytest.fixture
def config(tmp_path):
    output = OutputOptions(name="tiny", models=str(tmp_path / "models"))
    return RunConfig(train="tickets.csv", model="cnn_classifier", preset=None, output=output)


def with_output(config, **values):
    return dataclasses.replace(config, output=dataclasses.replace(config.output, **values))


def write_model(path, content):
    """A folder with a manifest that fits it."""
    (path / "saved_model" / "1").mkdir(parents=True)
    (path / "saved_model" / "1" / "saved_model.pb").write_text(content)
    ModelFolder(path).write_manifest()


def content_of(path):
    return (path / "saved_model" / "1" / "saved_model.pb").read_text()


def test_two_runs_of_one_name_do_not_meet(config):
    with claim(config, resume=False), pytest.raises(UserError, match="Another run is writing"), claim(config, False):
        raise AssertionError("the second run got the name too")
    with claim(config, resume=False):
        pass  # the name is free again


@pytest.fixture
def place(config):
    """The folder of models, empty."""
    place = Path(config.output.models)
    place.mkdir()
    return place


def test_nothing_is_left_in_the_folder_of_models_and_no_link_there_is_followed(config, place, tmp_path):
    with claim(config, resume=False):
        (lock,) = place.iterdir()
    assert not any(place.iterdir())
    with pytest.raises(RuntimeError), claim(config, resume=False):
        raise RuntimeError
    assert not any(place.iterdir())
    precious = tmp_path / "precious.txt"
    precious.write_text("mine")
    lock.symlink_to(precious)
    with pytest.raises(UserError, match=r"tiny\.lock, .* symbolic links.* remove it"), claim(config, resume=False):
        raise AssertionError("a link was followed")
    assert precious.read_text() == "mine"


def test_the_lock_that_another_users_killed_run_left_is_taken_over_and_stays_where_only_they_may_remove_it(
    config, place, monkeypatch
):
    lock = place / ".tiny.lock"
    lock.touch()
    really_open, really_unlink, ways = os.open, Path.unlink, []

    def theirs(path, way, *rest):
        if path == lock:
            ways.append(way)
            if way & (os.O_CREAT | os.O_RDWR):
                raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return really_open(path, way, *rest)

    def unlink(path, *rest, **options):
        if path == lock:
            raise PermissionError(errno.EPERM, "Operation not permitted", str(path))
        return really_unlink(path, *rest, **options)

    monkeypatch.setattr(os, "open", theirs)
    monkeypatch.setattr(Path, "unlink", unlink)
    with claim(config, resume=False):
        assert len(ways) == 3 and ways[-1] & os.O_ACCMODE == os.O_RDONLY
        with pytest.raises(UserError, match="Another run is writing"), claim(config, resume=False):
            raise AssertionError("the second run got the name too")
    with claim(config, resume=False):
        assert lock.exists(), "it is free again"

    def nobodys(path, way, *rest):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(os, "open", nobodys)
    with pytest.raises(UserError, match=r"tiny\.lock, .* cannot be written: Permission denied"), claim(config, False):
        raise AssertionError("there is no lock")


def test_where_nothing_may_be_made_a_run_ends(config, place, monkeypatch):
    really_open = os.open

    def refused(path, way, *rest):
        if way & os.O_CREAT:  # as in a folder of another user
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return really_open(path, way, *rest)

    monkeypatch.setattr(os, "open", refused)
    with pytest.raises(PermissionError), claim(config, resume=False):
        raise AssertionError("there is no lock")
    assert not any(place.iterdir())


def test_folders_that_another_run_removes_before_the_lock_is_in_them_are_made_anew(config, tmp_path, monkeypatch):
    config = with_output(config, models=str(tmp_path / "a" / "b" / "c"))
    really_open, removed = os.open, []

    def late(path, *rest):
        if not removed:  # it had made them, and ends between our finding them and our opening a file there
            removed.append(path)
            for folder in Path(path).parents[:3]:
                folder.rmdir()
        return really_open(path, *rest)

    monkeypatch.setattr(os, "open", late)
    with claim(config, resume=False):
        assert [path.name for path in (tmp_path / "a" / "b" / "c").iterdir()] == [".tiny.lock"]
    assert removed and not (tmp_path / "a").exists(), "what was made for the lock alone is gone"
    (tmp_path / "a").mkdir()
    with claim(config, resume=False):
        (tmp_path / "a" / "mine").touch()
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["mine"]


def test_a_lock_that_was_removed_while_another_run_waited_for_it_is_taken_anew(config, place, monkeypatch):
    flock, removed = fcntl.flock, []

    def late(file, operation):
        if not removed:  # its holder ends between our opening it and our locking it
            removed.extend(place.iterdir())
            removed[0].unlink()
        flock(file, operation)

    monkeypatch.setattr(fcntl, "flock", late)
    with claim(config, resume=False):
        assert list(place.iterdir()) == removed, "the lock has its name"
        with pytest.raises(UserError, match="Another run is writing"), claim(config, resume=False):
            raise AssertionError("the second run got the name too")
    assert not any(place.iterdir())


def test_runs_with_other_folders_for_temporary_files_do_not_meet_either(config, tmp_path, monkeypatch):
    with claim(config, resume=False):
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
        with pytest.raises(UserError, match="Another run is writing"), claim(config, resume=False):
            raise AssertionError("the second run got the name too")
    assert not Path(config.output.models).exists(), "what was made for the lock alone is gone"


def test_where_the_file_system_knows_no_locks_a_run_goes_on(config, monkeypatch):
    def refused(file, operation):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refused)
    with claim(config, resume=False) as places:
        assert places.version == 1


def test_a_model_that_came_after_an_interrupted_run_is_not_replaced_by_resuming(config):
    with claim(config, resume=False) as places:
        places.work.path.mkdir()
        places.work.write_json("run.json", {})
    write_model(places.final.path, "moved here")
    with pytest.raises(UserError, match="Move it away"), claim(config, resume=True):
        raise AssertionError("the work has begun")
    with claim(with_output(config, overwrite=True), resume=True):
        assert content_of(places.final.path) == "moved here"


def test_a_copy_called_replaced_is_nobodys_but_the_users(config):
    with claim(config, resume=False) as places:
        write_model(places.final.path, "old")
        write_model(places.final.path.with_name("tiny.replaced"), "my copy")
    with pytest.raises(UserError, match="there is no such file"), claim(config, resume=False):
        raise AssertionError("the work has begun")
    with claim(with_output(config, overwrite=True), resume=False) as places:
        write_model(places.work.path, "new")
        places.put()
    assert content_of(places.final.path.with_name("tiny.replaced")) == "my copy"


@pytest.mark.parametrize(
    ("sources", "again"),
    [
        ({"train": "t.csv", "dev": "https://host/d.csv"}, ""),
        ({"train": "-"}, " and the same DATA on standard input"),
        ({"train": "t.csv", "dev": "-"}, " and the same --dev on standard input"),
        (
            {"train": "https://host/t.csv?key=1", "test": "t.csv", "out_of_scope": "https://me:word@host/o.csv"},
            " and DATA, --out-of-scope once more, as whole addresses are not kept",
        ),
    ],
)
def test_who_breaks_off_is_told_how_to_go_on_where_that_can_be(config, sources, again):
    config = config.with_sources(**sources)
    with claim(config, resume=False) as places:
        assert places.how_to_resume.endswith(f"; continue with --resume {places.final.path}{again}.")
    with claim(config, resume=False, temporary=True) as places:
        assert places.how_to_resume is None


def test_the_name_of_a_killed_run_is_free(config):
    program = (
        "import os, signal, sys\n"
        "from kerasnlp_kit.api.places import claim\n"
        "from kerasnlp_kit.config import OutputOptions, RunConfig\n"
        "output = OutputOptions(name='tiny', models=sys.argv[1])\n"
        "with claim(RunConfig(train='t.csv', model='m', preset=None, output=output), False):\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, config.output.models])
    assert done.returncode == -9
    with claim(config, resume=False) as places:
        assert places.version == 1


def test_the_finished_folder_takes_the_place_of_the_model_of_its_name(config):
    config = with_output(config, overwrite=True)
    with claim(config, resume=False) as places:
        write_model(places.final.path, "old")
        write_model(places.work.path, "new")
        places.put()
    assert content_of(places.final.path) == "new"
    assert [path.name for path in places.final.path.parent.iterdir()] == ["tiny"]


def test_a_model_that_is_a_link_is_replaced_each_time_and_what_it_leads_to_stays(config, tmp_path):
    config = with_output(config, overwrite=True)
    write_model(tmp_path / "elsewhere", "precious")
    final = tmp_path / "models" / "tiny"
    final.parent.mkdir()
    final.symlink_to(tmp_path / "elsewhere")
    (final.parent / ".tiny.replaced").symlink_to(tmp_path / "elsewhere")
    for content in ("new", "newer"):
        with claim(config, resume=False) as places:
            write_model(places.work.path, content)
            places.put()
        assert content_of(final) == content and not final.is_symlink()
        assert [path.name for path in final.parent.iterdir()] == ["tiny"]
    assert content_of(tmp_path / "elsewhere") == "precious"


def test_what_cannot_be_removed_of_an_earlier_run_is_told_before_the_work(config, monkeypatch):
    with claim(config, resume=False) as places:
        final = places.final.path
    write_model(final, "old")
    write_model(final.with_name(".tiny.replaced"), "older")
    monkeypatch.setattr("shutil.rmtree", lambda *_, **__: None)
    with pytest.raises(UserError, match="cannot be removed"), claim(with_output(config, overwrite=True), False):
        raise AssertionError("the work has begun")


@pytest.mark.parametrize("options", [{"overwrite": True}, {"new_version": True}])
def test_a_folder_that_is_no_model_is_never_replaced(config, options):
    with claim(config, resume=False) as places:
        final = places.final.path
    final.mkdir(parents=True)
    (final / "precious.csv").write_text("mine")
    with pytest.raises(UserError, match="is no model folder"), claim(with_output(config, **options), False):
        raise AssertionError("the work has begun")
    assert (final / "precious.csv").read_text() == "mine"


def test_a_kill_between_the_two_renames_loses_neither_model(config):
    with claim(config, resume=False) as places:
        final = places.final.path
    write_model(final.with_name(".tiny.replaced"), "old")
    write_model(final.with_name("tiny.unfinished"), "new")
    with claim(with_output(config, overwrite=True), resume=False):
        assert content_of(final) == "new"


def test_an_unproven_folder_never_takes_the_place_of_a_model(config):
    with claim(config, resume=False) as places:
        final = places.final.path
    write_model(final.with_name(".tiny.replaced"), "old")
    final.with_name("tiny.unfinished").mkdir()
    with claim(with_output(config, overwrite=True), resume=False):
        assert content_of(final) == "old"


def test_a_new_version_is_numbered_after_the_last_one_and_vouches_only_for_whole_ones(config):
    with claim(config, resume=False) as places:
        write_model(places.final.path, "first")
    newer = with_output(config, new_version=True)
    with claim(newer, resume=False) as places:
        assert places.version == 2
    (places.final.path / "saved_model" / "1" / "saved_model.pb").write_text("changed")
    with pytest.raises(UserError, match="is not what manifest"), claim(newer, resume=False):
        raise AssertionError("a changed version was taken over")


@pytest.mark.parametrize("name", ["../x", ".x", "a/b", "x.unfinished", "x" * 260, "ü" * 120])
def test_a_name_must_be_a_plain_folder_name(config, name):
    with pytest.raises(UserError, match="--name must be"), claim(with_output(config, name=name), resume=False):
        raise AssertionError("the name was taken")


def test_a_file_in_place_of_the_models_folder_is_told(config, tmp_path):
    (tmp_path / "file.csv").write_text("text,label\n")
    wrong = with_output(config, models=str(tmp_path / "file.csv"))
    with pytest.raises(UserError, match="--models must be a folder"), claim(wrong, resume=False):
        raise AssertionError("a file was taken for a folder")


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("data/reviews.csv.gz", "reviews"),
        ("data/v1.2_train.CSV", "v1.2_train"),
        ("v1.2", "v1.2"),
        ("https://host/d/x.csv?sig=1", "x"),
        ("-", "model"),
        (".csv", "model"),
        (".hidden.csv", "hidden"),
    ],
)
def test_a_model_is_named_after_its_data(source, name):
    assert default_name(source) == name
