from collections import Counter
from itertools import combinations

import pytest

from regionwise.data.birds import UNITED_PARTS, Plumage, differing_parts, replacement, species
from regionwise.data.birds.plumage import FIELDS_OF
from regionwise.data.birds.vocabulary import ATTRIBUTES, attribute_names, united_parts_of
from regionwise.errors import SettingError


def pairs(count, seed=0):
    kinds = species(count, seed)
    return {
        (a.index, b.index): differing_parts(a.plumage, b.plumage) for a, b in combinations(kinds, 2)
    }


def test_the_default_classes_have_pairs_that_differ_in_one_two_and_three_parts():
    counts = Counter(len(parts) for parts in pairs(24).values())
    assert counts[0] == 0
    assert (counts[1], counts[2], counts[3]) == (20, 16, 12)


def test_every_part_sets_some_pair_apart_and_head_and_wing_most():
    counts = Counter(next(iter(parts)) for parts in pairs(24).values() if len(parts) == 1)
    assert set(counts) == set(UNITED_PARTS)
    assert counts["head"] == counts["wing"] == max(counts.values())


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_no_two_of_many_classes_are_alike(seed):
    kinds = species(200, seed)
    assert len({kind.plumage for kind in kinds}) == 200
    assert len({kind.name for kind in kinds}) == 200
    assert [kind.index for kind in kinds] == list(range(200))
    assert min(map(len, pairs(200, seed).values())) == 1


def test_steps_along_a_family_are_counted_in_parts():
    found = pairs(12)
    for (a, b), parts in found.items():
        assert len(parts) == b - a if a // 6 == b // 6 else len(parts) >= 4


def test_more_classes_never_change_the_first():
    assert species(50)[:7] == species(7)
    assert species(2, seed=3) != species(2, seed=4)


@pytest.mark.parametrize("count", [-1, 0, 1, 201])
def test_a_number_of_classes_out_of_range_is_refused(count):
    with pytest.raises(SettingError, match="allowed is 2 to 200"):
        species(count)


def test_a_replacement_makes_the_part_that_of_the_other_class():
    ours, other = species(24)[0], species(24)[8]
    for part in UNITED_PARTS:
        new = replacement(part, other)
        assert set(new) == set(FIELDS_OF[part])
        changed = Plumage(**{**ours.plumage.to_json(), **new})
        assert part not in differing_parts(changed, other.plumage)
    with pytest.raises(SettingError, match="no part 'feet'"):
        replacement("feet", other)


def test_the_vocabulary_has_the_numbers_of_cub():
    names = attribute_names()
    assert len(names) == len(set(names)) == 312
    assert len(ATTRIBUTES) == 28
    by_number = dict(enumerate(names, start=1))
    assert by_number[1] == "has_bill_shape::curved_(up_or_down)"
    assert by_number[95] == "has_head_pattern::spotted"
    assert by_number[225] == "has_shape::long-legged-like"
    assert by_number[312] == "has_wing_pattern::multi-colored"


def test_attributes_speak_of_the_parts_that_their_names_contain():
    assert united_parts_of("has_bill_shape::cone") == {"head"}
    assert united_parts_of("has_eye_color::red") == {"head"}
    assert united_parts_of("has_under_tail_color::red") == {"tail"}
    assert united_parts_of("has_shape::long-legged-like") == {"leg"}
    assert united_parts_of("has_shape::perching-like") == frozenset()
    assert united_parts_of("has_primary_color::red") == frozenset()


def test_every_field_of_a_plumage_belongs_to_the_part_it_speaks_of():
    for part in UNITED_PARTS:
        for field in FIELDS_OF[part]:
            if field != "shape":
                assert united_parts_of(f"has_{field}::solid") == {part}


def test_a_word_that_no_bird_has_is_refused_with_its_neighbour():
    with pytest.raises(SettingError, match="did you mean 'striped'"):
        Plumage(wing_pattern="stripped")
