from types import SimpleNamespace

import numpy as np
import pytest

from kerasnlp_kit.api import network_fitting
from kerasnlp_kit.api.run import Run
from kerasnlp_kit.errors import UserError
from kerasnlp_kit.text.token_ids import TokenIds
from kerasnlp_kit.training import devices
from kerasnlp_kit.training.batches import Batches


def test_the_time_of_an_epoch_is_that_of_each_devices_share(monkeypatch):
    ids = TokenIds(np.ones(60, "int32"), np.arange(0, 61, 3))
    batches = Batches(ids, np.zeros(20, "int32"), 10, (3,), multiple=2, seed=0)
    seen = []
    network = SimpleNamespace(train_on_batch=lambda *batch: seen.append([len(part) for part in batch]))
    for name, value in {
        "_layers": lambda *_: {},
        "_batches": lambda *_: batches,
        "_network": lambda *_: (network, []),
        "_loss_and_metric": lambda *_: (None, None),
    }.items():
        monkeypatch.setattr(network_fitting, name, value)
    monkeypatch.setattr(devices, "distribution", lambda _: (devices.contextlib.nullcontext(), 2))
    monkeypatch.setattr("kerasnlp_kit.training.loop.compile_model", lambda *_: None)
    monkeypatch.setattr("kerasnlp_kit.training.optimization.make_optimizer", lambda *_: None)
    run = SimpleNamespace(config=SimpleNamespace(device=SimpleNamespace(devices=2)))
    prepared = SimpleNamespace(train=SimpleNamespace(labels=None))
    assert network_fitting.seconds_an_epoch(run, prepared, SimpleNamespace(train=ids), "x", None, None) >= 0
    assert seen == [[5, 5]] * 3


def test_a_run_is_resumed_on_as_many_devices_as_it_began_on():
    run = SimpleNamespace(record={})
    network_fitting._require_as_many_devices(run, 2)
    network_fitting._require_as_many_devices(run, 2)
    assert run.record == {"devices": 2}
    with pytest.raises(UserError, match="The run began on 2 devices, and is on 1 now"):
        network_fitting._require_as_many_devices(run, 1)


def test_a_run_is_resumed_from_the_model_that_it_began_from(tmp_path):
    (tmp_path / "manifest.json").write_text("{}")
    digest = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
    record = {"data": {}, "ancestry": [{"manifest": digest}]}
    places = SimpleNamespace(work=SimpleNamespace(run=lambda: record))
    run = Run(None, None, places, SimpleNamespace(path=tmp_path), True, print)
    run.take_record({})
    assert run.record == record
    (tmp_path / "manifest.json").write_text("{ }")
    with pytest.raises(UserError, match="is not the model that the run began from"):
        run.take_record({})


@pytest.mark.parametrize(
    ("gpus", "replicas", "policy"), [(1, 1, "mixed_float16"), (2, 2, "mixed_bfloat16"), (0, 1, "mixed_bfloat16")]
)
def test_16_bits_are_those_of_the_devices(monkeypatch, gpus, replicas, policy):
    import keras

    monkeypatch.setattr(devices, "_accelerators", lambda: [f"gpu:{number}" for number in range(gpus)])
    monkeypatch.setattr(devices, "_replicas", lambda: replicas)
    with devices.precision(True):
        assert keras.config.dtype_policy().name == policy
