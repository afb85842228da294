"""What a metric says is taken apart into rows and put together again."""

import numpy as np
import pytest
import torch

from regionwise.benchmark.blocks import Key, Who, blocks_of, packed, unpacked, values_of
from regionwise.benchmark.rows import KEY, table_of
from regionwise.metrics.catalog import metrics
from regionwise.metrics.recipe import Values

WHO = Who(("a", "b", "c"), (0, 1, 0), (-1, -1, -1))
AS = Key("net", "0123", "cam", "pxap", "p", "own", 0)


def again(values):
    columns, levels, cells = {}, {}, ()
    for block in blocks_of(AS, WHO, values):
        if block.cells is not None:
            cells = block.cells
        else:
            columns[block.statistic], levels[block.statistic] = block.values, block.levels
    return values_of(columns, levels, cells)


def test_numbers_curves_and_extras_come_back_as_they_were():
    given = Values(
        torch.tensor([0.5, torch.nan, 2.0], dtype=torch.float64),
        {"hits": torch.rand(3, 4, dtype=torch.float64)},
        (0.1, 0.2, 0.5, 1.0),
        {"chance": torch.rand(3, dtype=torch.float64), "pair": torch.tensor([[1, 2]] * 3)},
    )
    found = again(given)
    assert torch.equal(found.values.nan_to_num(), given.values.nan_to_num())
    assert torch.equal(found.curves["hits"], given.curves["hits"])
    assert found.levels == given.levels
    assert torch.equal(found.extras["chance"], given.extras["chance"])
    assert torch.equal(found.extras["pair"], given.extras["pair"].double())


def test_curves_alone_come_back():
    found = again(Values(None, {"overlap": torch.rand(3, 2)}, (0.0, 0.5)))
    assert found.values is None
    assert found.curves["overlap"].shape == (3, 2)


@pytest.mark.parametrize("scale", [1.0, 1e-4, 30.0])
def test_packed_pixels_lose_little(scale):
    """AP of pixels that are packed stays within 0.001 of that of the pixels themselves."""
    generator = torch.Generator().manual_seed(0)
    labels = (torch.rand(3, 4000, generator=generator) < 0.2).to(torch.uint8)
    scores = scale * (torch.rand(3, 4000, generator=generator) + 0.2 * labels)
    given = Values(
        torch.zeros(3), extras={"scores": scores, "labels": labels, "chance": labels[:, 0].double()}
    )
    found = again(given)
    metric = metrics.parse("pxap")
    exact, met = (metric.reduce([v])["value"] for v in (given, found))
    assert met == pytest.approx(exact, abs=1e-3)
    table = found.extras["counts"]
    assert table[:, 1].sum(1).tolist() == labels.sum(1).tolist()
    assert table[:, 1:].sum((1, 2)).tolist() == [4000] * 3


def test_packing_by_hand():
    cell = packed(torch.tensor([0.5, 0.25, 0.5, 0.5]), torch.tensor([1, 0, 0, 1]))
    assert unpacked(cell).tolist() == [[0.25, 0.5], [0, 2], [1, 1]]
    rounded, *_ = unpacked(packed(torch.tensor([0.7001, -30.01, 0.0]), torch.tensor([1, 0, 0])))
    assert rounded.tolist() == pytest.approx([-30.01, 0.0, 0.7001], rel=2e-3)


def test_a_table_has_a_row_for_each_number_and_no_key_twice():
    given = Values(torch.rand(3), {"hits": torch.rand(3, 2)}, (0.5, 1.0))
    table = table_of(list(blocks_of(AS, WHO, given)), "birds:x", "test")
    assert table.num_rows == 9
    rows = table.to_pylist()
    keys = [tuple(row[name] for name in KEY) for row in rows]
    assert len(set(keys)) == 9
    assert [row["level"] for row in rows] == [None] * 3 + [0.5, 1.0] * 3
    assert np.allclose([row["value"] for row in rows[:3]], given.values)
    assert {row["error"] for row in rows} == {None}
    assert table_of([], "birds:x", "test").schema == table.schema
