"""What must hold for any class maps, tried on those that Hypothesis thinks of."""

import hypothesis.extra.numpy as arrays
import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given, settings

from regionwise.heads.calm import calm_joint
from regionwise.heads.cape import cape_joint, naive_joint
from samples import assert_same

quickly = settings(deadline=None, max_examples=40)
sides = st.integers(1, 4)
values = st.integers(-400, 400).map(lambda v: v / 8)

JOINTS = {
    "cape": lambda maps, _: cape_joint(maps),
    "cape, warm": lambda maps, _: cape_joint(maps, 0.3, -0.4, 0.5),
    "naive": lambda maps, _: naive_joint(maps),
    "calm": calm_joint,
    "calm relu": lambda maps, where: calm_joint(maps, where, prior="relu"),
}
every_joint = pytest.mark.parametrize("name", JOINTS)


@st.composite
def fields(draw):
    n, y, i, j = (draw(sides) for _ in range(4))
    maps = draw(arrays.arrays(np.float64, (n, y + 1, i, j), elements=values))
    return torch.from_numpy(maps[:, :y].copy()), torch.from_numpy(maps[:, y].copy())


@every_joint
@quickly
@given(field=fields())
def test_it_is_a_distribution(name, field):
    joint = JOINTS[name](*field)
    shares = joint.log_joint.exp()
    assert (shares >= 0).all()
    assert_same(shares.sum((1, 2, 3)), np.ones(len(shares)))
    assert_same(joint.probabilities, shares.sum((2, 3)))


@every_joint
@quickly
@given(field=fields(), data=st.data())
def test_permuting_images_classes_or_cells_permutes_the_joint(name, field, data):
    maps, where = field
    shares = JOINTS[name](maps, where).log_joint.exp()
    images = data.draw(st.permutations(range(len(maps))))
    assert_same(JOINTS[name](maps[images], where[images]).log_joint.exp(), shares[images])
    classes = data.draw(st.permutations(range(maps.shape[1])))
    assert_same(JOINTS[name](maps[:, classes], where).log_joint.exp(), shares[:, classes])
    rows = data.draw(st.permutations(range(maps.shape[2])))
    permuted = JOINTS[name](maps[:, :, rows], where[:, rows])
    assert_same(permuted.log_joint.exp(), shares[:, :, rows])
    turned = JOINTS[name](maps.transpose(2, 3), where.transpose(1, 2))
    assert_same(turned.log_joint.exp(), shares.transpose(2, 3))


@every_joint
@quickly
@given(field=fields(), shift=values)
def test_a_value_added_to_every_class_of_a_cell_leaves_the_conditional(name, field, shift):
    maps, where = field
    offset = torch.zeros_like(where)
    offset[:, 0, 0] = shift
    here, there = JOINTS[name](maps, where), JOINTS[name](maps + offset[:, None], where)
    assert_same(there.log_conditional.exp(), here.log_conditional.exp())


@every_joint
@quickly
@given(field=fields(), share=st.floats(0.01, 1.0))
def test_the_fewest_regions_hold_the_share(name, field, share):
    joint = JOINTS[name](*field)
    found = joint.top_regions(0, 0, share=share)
    assert found.share >= share - 1e-9 or found.probability == 0
    assert 1 <= len(found.cells) <= found.total
    assert list(found.values) == sorted(found.values, reverse=True)
    shown = joint.attribution(0)[0, 0]
    assert [float(shown[cell]) for cell in found.cells] == list(found.values)


@every_joint
@quickly
@given(field=fields(), band=st.integers(1, 6))
def test_bands_sum_to_the_difference(name, field, band):
    joint = JOINTS[name](*field)
    last = joint.log_conditional.shape[1] - 1
    found = joint.top_differences(0, 0, last, band=band)
    bands = [*found.lead, *found.trail]
    assert_same(
        sum(b.sum for b in bands), float(joint.probabilities[0, 0] - joint.probabilities[0, last])
    )
    assert all(1 <= len(b.cells) <= band for b in bands)
    cells = [cell for b in bands for cell in b.cells]
    assert len(cells) == len(set(cells))
