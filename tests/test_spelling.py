"""Settings as they are written and meant."""

import pytest

from regionwise.errors import SettingError
from regionwise.spelling import given_settings, meant, with_settings


@pytest.mark.parametrize(
    ("text", "like", "value"),
    [
        ("3", None, 3),
        ("3", 1.0, 3.0),
        ("3", "a", "3"),
        ("-1e-3", None, -1e-3),
        ("true", None, True),
        ("Off", 1, False),
        ("nearest", None, "nearest"),
        ("1.5", 2, 1.5),
    ],
)
def test_what_a_text_means(text, like, value):
    found = meant(text, like)
    assert found == value
    assert type(found) is type(value)


def test_settings_there_and_back():
    given = given_settings("x", "b=2,a=false", ("a", "b"))
    assert given == {"b": "2", "a": "false"}
    assert with_settings("x", {"b": 2, "a": False}) == "x:a=false,b=2"
    assert with_settings("x", {}) == "x"
    for text, says in (("c=1", "no setting 'c'"), ("a", "is no setting"), ("a=1,a=2", "twice")):
        with pytest.raises(SettingError, match=says):
            given_settings("x", text, ("a", "b"))
