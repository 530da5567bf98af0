"""Products whose rows do not know each other, on whatever BLAS this machine has."""

import numpy as np
import pytest

from charrnn.model import product
from charrnn.model.product import Product


@pytest.mark.parametrize("tile", [None, 1, 2, 4, 8])
@pytest.mark.parametrize("rows", [1, 2, 7, 8, 9, 64])
@pytest.mark.parametrize(("inputs", "columns"), [(1, 1), (5, 17), (256, 16), (300, 40), (513, 33)])
def test_a_product_is_a_product_however_many_rows_a_call_has(tile, rows, inputs, columns, monkeypatch):
    generator = np.random.default_rng(rows)
    x, weights = generator.normal(size=(rows, inputs)), generator.normal(size=(3, inputs, columns))
    monkeypatch.setattr(product, "rows_at_once", lambda: tile)
    found = Product(weights.astype(np.float32))(x.astype(np.float32))
    assert found.shape == (3, rows, columns)
    np.testing.assert_allclose(found, x @ weights, atol=1e-5 * inputs**0.5)


@pytest.mark.parametrize(("inputs", "columns"), [(8, 8), (64, 256), (256, 65), (700, 2048)])
def test_a_row_comes_out_the_same_wherever_it_stands_and_whatever_stands_beside_it(inputs, columns):
    generator = np.random.default_rng(inputs)
    multiply = Product(generator.normal(size=(4, inputs, columns)).astype(np.float32))
    row, others = (generator.normal(size=(count, inputs)).astype(np.float32) for count in (1, 80))
    alone = multiply(row)[:, 0]
    for count in (*range(2, 30), 63, 80):
        place = int(generator.integers(count))
        rows = others[:count].copy()
        rows[place] = row
        np.testing.assert_array_equal(multiply(rows)[:, place], alone)
