from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from gsi_datasets.images import decode_depth, decode_png, encode_depth, encode_png


@given(
    st.one_of(
        arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(3))),
        arrays(np.uint16, st.tuples(st.integers(1, 9), st.integers(1, 9))),
    )
)
def test_png_is_lossless_and_repeatable(array: NDArray[Any]) -> None:
    png = encode_png(array)
    assert decode_png(png).dtype == array.dtype
    assert np.array_equal(decode_png(png), array)
    assert encode_png(np.asfortranarray(array)) == png


@pytest.mark.parametrize(
    "array",
    [np.zeros((4, 4)), np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 3), np.uint16)],
)
def test_other_arrays_are_refused(array: NDArray[Any]) -> None:
    with pytest.raises(ValueError, match="convert it first"):
        encode_png(array)


def test_depth_is_whole_millimetres_and_zero_is_nothing() -> None:
    depth = np.array([[0.0, np.inf, np.nan, -1.0], [1.2344, 1.2346, 0.0001, 70.0]], dtype=np.float32)
    assert decode_png(encode_depth(depth)).tolist() == [[0, 0, 0, 0], [1234, 1235, 1, 65535]]
    assert decode_depth(encode_depth(depth))[1] == pytest.approx([1.234, 1.235, 0.001, 65.535])


@given(arrays(np.float32, (3, 4), elements=st.floats(0.0625, 65, width=32)))
def test_depth_is_off_by_half_a_millimetre_at_most(depth: NDArray[np.float32]) -> None:
    assert np.abs(decode_depth(encode_depth(depth)) - depth).max() <= 0.000505
