import numpy as np
import pytest

from kerasnlp_kit.evaluation.latent import LatentQuality, latent_picture, plane
from kerasnlp_kit.tasks.latent_scores import active_units, mutual_information


def quality(**changed):
    given = {"latent": 8, "reconstruction": 30.0, "divergence": 5.0, "active_units": 8, "mutual_information": 4.0}
    return LatentQuality(**(given | {"exact": 0.1, "bleu": 20.0, "discriminator": None, "plain": False} | changed))


def test_a_vector_that_carries_nothing_raises_the_alarm():
    assert not quality().warnings()
    for changed in ({"divergence": 0.1}, {"active_units": 0}, {"mutual_information": 0.05}):
        (alarm,) = quality(**changed).warnings()
        assert alarm.startswith("The latent vector carries nothing")
    assert "follow no prior" in quality(plain=True, divergence=0.0).warnings()[0]
    assert not quality(plain=True, divergence=0.0, adversary=True).warnings(), "a discriminator brings them near it"
    assert "tells 95% of the vectors rightly" in quality(discriminator=0.95).warnings()[0]
    assert not quality(discriminator=0.6).warnings()


def test_only_what_there_is_is_listed():
    assert ("vectors a text in the bound", "50") in quality(vectors=50).rows()
    names = [name for name, _ in quality(mutual_information=None).rows()]
    assert "vectors a text in the bound" not in names
    assert "mutual information, nats" not in names and "discriminator's accuracy" not in names
    assert ("discriminator's accuracy", "60.0%") in quality(discriminator=0.6).rows()


def test_active_units_are_those_whose_mean_varies():
    random = np.random.default_rng(0)
    mean = random.normal(size=(500, 4)) * [1.0, 0.05, 0.2, 0.0]
    assert active_units(mean) == 2


def test_mutual_information_is_nothing_where_all_posteriors_are_alike_and_all_where_none_overlap():
    random = np.random.default_rng(0)
    noise = random.normal(size=(50, 3))
    assert mutual_information(np.zeros((50, 3)), np.zeros((50, 3)), noise) == pytest.approx(0, abs=1e-9)
    apart = np.arange(150).reshape(50, 3) * 100.0
    assert mutual_information(apart, np.zeros((50, 3)), noise) == pytest.approx(np.log(50))


def test_mutual_information_of_gaussians_is_what_the_formula_says():
    random = np.random.default_rng(0)
    # z = x + noise, both standard normal: log(2) / 2 nats a dimension.
    mean = random.normal(size=(3000, 1))
    found = mutual_information(mean, np.zeros((3000, 1)), random.normal(size=(3000, 1)))
    assert found == pytest.approx(np.log(2) / 2, abs=0.03)


def test_the_plane_is_that_of_the_largest_differences():
    random = np.random.default_rng(0)
    points = random.normal(size=(200, 5)) * [0.1, 5, 0.1, 2, 0.1]
    found = plane(points)
    assert abs(np.corrcoef(found[:, 0], points[:, 1])[0, 1]) > 0.99
    assert abs(np.corrcoef(found[:, 1], points[:, 3])[0, 1]) > 0.99
    assert plane(points[:1]).shape == (1, 2)


def test_the_picture_is_drawn_by_label_or_by_length():
    random = np.random.default_rng(0)
    vectors, lengths = random.normal(size=(30, 4)), random.integers(3, 9, 30)
    by_label = latent_picture(vectors, lengths, ["spam", "ham"] * 15)
    assert by_label.startswith("<svg") and "spam" in by_label and "tokens" not in by_label
    odd = latent_picture(vectors, lengths, ["$$", "_hidden", "a$^$"] * 10)
    assert "$$" in odd and "_hidden" in odd and "a$^$" in odd, "labels are no formulas"
    by_length = latent_picture(vectors, lengths, None)
    assert "tokens" in by_length
    assert "tokens" in latent_picture(vectors, lengths, [str(row) for row in range(30)]), "too many labels"
