"""What cannot be asked of a training is refused before anything is read."""

from dataclasses import replace

import pytest

from regionwise.errors import SettingError
from regionwise.training.checking import check_device, check_request
from regionwise.training.plan import scheme_of

REFUSED = [
    ({"fold": 1}, "--fold 1 of how many"),
    ({"precision": "8"}, "precision '8' is none of"),
    ({"workers": -1}, "workers 0 or more"),
    ({"accumulate": 3}, "cannot be shared"),
    ({"backbone": None, "given": "birds-1", "options": {"widths": [4]}}, "--option is for"),
    ({"given": "birds-1", "weights": "random"}, "leave --weights out"),
    ({"backbone": None}, "give --backbone"),
]


@pytest.mark.parametrize(("changes", "says"), REFUSED)
def test_what_would_be_ignored_or_cannot_be_is_refused(ask, changes, says):
    request = ask(head="calm")
    check_request(request, scheme_of(request)[1])
    request = replace(request, **{"options": {}, **changes})
    with pytest.raises(SettingError, match=says):
        check_request(request, scheme_of(request)[1])


@pytest.mark.parametrize("name", ["meta", "cpu:0", "cpu:3"])
def test_devices_that_torch_knows_but_training_does_not(name):
    with pytest.raises(SettingError, match="training does not run on"):
        check_device(name, 1)


def test_a_device_that_is_not_here():
    with pytest.raises(SettingError, match="no device 'quantum'"):
        check_device("quantum", 1)
    check_device("cpu", 4)
