import dataclasses
import errno
import os

import numpy as np
import pytest

from kerasnlp_kit.training.checkpoint import Progress, checkpoints, load_checkpoint, save_checkpoint

STATE = [np.arange(6, dtype="float32").reshape(2, 3), np.array(7, "int64"), np.zeros((0, 2), "float32")]


def save(folder, epoch, step=0, best_epoch=0, best=None):
    progress = Progress(epoch, step, best_epoch, history={"loss": [0.5] * epoch})
    save_checkpoint(folder, progress, [*STATE, np.array([epoch, step])], best)
    return progress


def assert_same(found, expected):
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)


def test_a_folder_without_checkpoints_has_none(tmp_path):
    assert load_checkpoint(tmp_path / "missing") is None


def test_what_is_loaded_is_what_was_saved(tmp_path):
    best = [np.array([1.5, float("nan")], "float32")]
    progress = save(tmp_path, 3, 4, 2, best)
    found, state, found_best = load_checkpoint(tmp_path)
    assert found == progress
    assert_same(state, [*STATE, np.array([3, 4])])
    assert_same(found_best, best)


def test_a_fresh_run_has_no_best_weights_and_an_infinite_loss(tmp_path):
    save(tmp_path, 0, 5)
    progress, _, best = load_checkpoint(tmp_path)
    assert best is None
    assert progress.best_loss == float("inf")


def test_the_newest_of_at_most_two_counts(tmp_path):
    for epoch, step in [(0, 9), (0, 10), (1, 0), (1, 2)]:
        save(tmp_path, epoch, step)
        assert len(list(tmp_path.iterdir())) <= 2
    assert [path.name for path in checkpoints(tmp_path)] == ["00001-000000000", "00001-000000002"]
    assert load_checkpoint(tmp_path)[0].step == 2


@pytest.mark.parametrize("name", ["state.npz", "best-00001.npz", "progress.json"])
@pytest.mark.parametrize("left", [0, 60])
def test_a_truncated_newest_checkpoint_falls_back_to_the_one_before(tmp_path, name, left):
    save(tmp_path, 1, 0, 1, [np.ones(50)])
    save(tmp_path, 2, 0, 1, [np.ones(50)])
    path = checkpoints(tmp_path)[-1] / name
    content = path.read_bytes()
    path.unlink()  # the best weights are one file under two names
    path.write_bytes(content[:left])
    progress, state, best = load_checkpoint(tmp_path)
    assert progress.epoch == 1
    assert_same(state, [*STATE, np.array([1, 0])])
    assert_same(best, [np.ones(50)])


def test_a_changed_byte_is_noticed(tmp_path):
    save(tmp_path, 1)
    save(tmp_path, 2)
    path = checkpoints(tmp_path)[-1] / "state.npz"
    content = bytearray(path.read_bytes())
    place = content.index(STATE[0].tobytes())
    content[place] ^= 1
    path.write_bytes(content)
    assert load_checkpoint(tmp_path)[0].epoch == 1


def test_best_weights_are_not_taken_over_from_a_checkpoint_that_was_spoilt(tmp_path):
    save(tmp_path, 1, 0, 1, [np.ones(50)])
    save(tmp_path, 2, 0, 1, [np.ones(50)])
    path = checkpoints(tmp_path)[-1] / "best-00001.npz"
    path.unlink()
    path.write_bytes(b"spoilt")
    _, _, best = load_checkpoint(tmp_path)
    save(tmp_path, 1, 5, 1, best)  # the run goes on from the older one
    progress, _, best = load_checkpoint(tmp_path)
    assert (progress.epoch, progress.step) == (1, 5)
    assert_same(best, [np.ones(50)])


def test_unchanged_best_weights_are_stored_once(tmp_path):
    best = [np.ones(50)]
    save(tmp_path, 1, 0, 1, best)
    save(tmp_path, 2, 0, 1, best)
    first, second = (path / "best-00001.npz" for path in checkpoints(tmp_path))
    assert first.samefile(second)


def test_where_files_cannot_be_linked_the_best_weights_are_written_again(tmp_path, monkeypatch):
    def refuse(source, target):
        raise OSError(errno.EPERM, "Operation not permitted")  # exFAT, some network file systems

    monkeypatch.setattr(os, "link", refuse)
    save(tmp_path, 1, 0, 1, [np.ones(5)])
    save(tmp_path, 2, 0, 1, [np.ones(5)])
    assert_same(load_checkpoint(tmp_path)[2], [np.ones(5)])


def test_a_checkpoint_in_the_making_is_not_one(tmp_path):
    save(tmp_path, 1)
    unfinished = tmp_path / ".00002-000000000.partial"
    unfinished.mkdir()
    (unfinished / "progress.json").write_text("{}")
    assert load_checkpoint(tmp_path)[0].epoch == 1
    save(tmp_path, 2)  # and does not stand in the way of the next attempt
    assert load_checkpoint(tmp_path)[0].epoch == 2


def test_objects_are_never_unpickled(tmp_path):
    save(tmp_path, 1)
    np.savez(checkpoints(tmp_path)[0] / "state.npz", **{"0": np.array([print], object)})
    assert load_checkpoint(tmp_path) is None


def test_progress_is_plain_json_values():
    assert all(isinstance(value, int | float | dict) for value in dataclasses.asdict(Progress()).values())


def test_what_a_full_disk_left_is_removed_by_the_next_one(tmp_path, monkeypatch):
    monkeypatch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OSError, match="No space left"):
        save_checkpoint(tmp_path, Progress(epoch=1), [np.zeros(3)], None)
    monkeypatch.undo()
    save_checkpoint(tmp_path, Progress(epoch=2), [np.zeros(3)], None)
    assert [path.name for path in tmp_path.iterdir()] == ["00002-000000000"]


def test_checkpoints_that_cannot_be_read_are_told_and_put_aside_each_time(tmp_path, capsys):
    for _ in range(2):
        save_checkpoint(tmp_path, Progress(epoch=1), [np.zeros(3)], None)
        (tmp_path / "00001-000000000" / "progress.json").write_text('{"of": "another version"}')
        assert load_checkpoint(tmp_path) is None
        assert "00001-000000000 cannot be read: an earlier state is taken" in capsys.readouterr().out
