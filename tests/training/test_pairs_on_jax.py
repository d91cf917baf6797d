"""A model that writes, trained on JAX, from the file to the proof in a process of its own."""

from kerasnlp_kit.api.load import load
from kerasnlp_kit.export.folder import ModelFolder


def test_a_writer_is_trained_on_jax_exported_by_tensorflow_and_proven(shell, here):
    # All of one width: JAX compiles anew for each.
    rows = [f"{month} {day},{day}/{month}" for month in ("May", "Jun", "Jul") for day in range(10, 30)]
    (here / "pairs.csv").write_text("\n".join(["source,target", *rows, ""]))
    small = (
        "--model=lstm_seq2seq",
        "--units=8",
        "--embedding-dim=8",
        "--no-bidirectional",
        "--no-input-feeding",
        "--no-xla",
        "--epochs=2",
        "--dev-rows=5",
        "--learning-rate=0.02",
    )
    ran = shell("train.py", "pairs.csv", "--backend", "jax", *small, "--batch-tokens", "240", "--accumulate", "2")
    assert ran.code == 0, ran.out + ran.err
    assert ran.err == "", "nothing is wrong, so nothing is said on standard error"
    assert "what the model in memory writes" in ran.out and "CPU cores, jax" in ran.out
    folder = ModelFolder(here / "models" / "pairs")
    folder.verify()
    losses = folder.run()["parts"][0]["training"]["history"]["loss"]
    assert len(losses) == 2 and losses[1] < losses[0]
    assert len(load(folder.path).predict(["May 3, 1998", ""])) == 2
