import json

import numpy as np
import pytest

from regionwise.data.birds import Scene, render, sample_scene, species, style
from regionwise.errors import DataError, SettingError

KINDS = species(24)


def scene_of(label=0, index=0, **settings):
    return sample_scene(KINDS[label], index, **settings)


def test_a_scene_survives_json_exactly():
    scene = scene_of(7, 3, birds=4, group=2)
    again = Scene.from_json(json.loads(json.dumps(scene.to_json())))
    assert again == scene
    np.testing.assert_array_equal(render(again, size=64).image, render(scene, size=64).image)


def test_a_scene_of_another_version_or_shape_is_refused():
    value = scene_of().to_json()
    with pytest.raises(DataError, match="renderer version 99"):
        Scene.from_json({**value, "version": 99})
    with pytest.raises(DataError, match="not a scene"):
        Scene.from_json({key: value[key] for key in value if key != "light"})
    with pytest.raises(DataError, match="not a scene"):
        Scene.from_json({**value, "weather": "rain"})


def test_scenes_of_an_index_do_not_depend_on_how_many_are_drawn():
    alone = scene_of(4, 9)
    assert [scene_of(4, index) for index in range(10)][9] == alone
    assert len({scene_of(4, index).seed for index in range(10)}) == 10
    assert scene_of(4, 9, seed=1) != alone
    assert scene_of(5, 9).seed != alone.seed


def test_every_kind_of_place_comes_with_every_class():
    for label in (0, 12):
        assert len({scene_of(label, index).backdrop.kind for index in range(80)}) == 9


def test_birds_of_a_locality_share_its_style():
    assert style(3) == style(3)
    assert style(3) != style(4)
    hues = [np.mean([scene_of(0, i, group=g).birds[0].hue for i in range(60)]) for g in (1, 2)]
    for hue, group in zip(hues, (1, 2), strict=True):
        assert abs(hue - style(group).hue) < 2.5


@pytest.mark.parametrize("settings", [{"birds": 0}, {"birds": 5}, {"seed": -1}, {"group": -1}])
def test_scenes_out_of_range_are_refused(settings):
    with pytest.raises(SettingError):
        scene_of(0, 0, **settings)
    with pytest.raises(SettingError, match="negative"):
        scene_of(0, -1)
