import numpy as np
import pytest

from kerasnlp_kit.layers.masking import TokenMask, ZeroPadding


def test_the_mask_is_where_tokens_are_and_at_the_first_position_of_an_empty_row():
    ids = np.array([[5, 1, 0], [2, 0, 0], [0, 0, 0]], "int32")
    mask = np.asarray(TokenMask()(ids))
    assert mask.dtype == bool
    assert mask.tolist() == [[True, True, False], [True, False, False], [True, False, False]]


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_zero_padding_clears_the_positions_outside_the_mask_and_no_other(dtype):
    hidden = np.random.default_rng(0).normal(size=(2, 3, 4)).astype("float32")
    mask = np.array([[True, True, False], [True, False, False]])
    layer = ZeroPadding(dtype=dtype)
    cleared = np.asarray(layer(hidden, mask)).astype("float32")
    expected = np.where(mask[:, :, None], hidden, 0)
    np.testing.assert_allclose(cleared, expected, rtol=0 if dtype == "float32" else 2**-8)  # 8 bits of significand
