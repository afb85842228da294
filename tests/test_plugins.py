"""Cards from other packages, by entry points."""

import pytest

from regionwise.errors import SettingError
from regionwise.registry import Card, Registry

GROUP = "regionwise.methods"
CARDS = """
from regionwise.registry import Card

def card(name):
    return Card(name=name, title=name, reference="Me 2026", formula="", summary="",
                recipe="regionwise.attribution.grad_cam:GradCAM")

ONE, MORE, NUMBER = card("one"), [card("two"), card("three")], 3
"""


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Install a package that names these things of its module `plugged_cards`."""

    def install(**points):
        home = tmp_path / "plugged-1.0.dist-info"
        home.mkdir(exist_ok=True)
        (home / "METADATA").write_text("Metadata-Version: 2.1\nName: plugged\nVersion: 1.0\n")
        lines = [f"{name} = plugged_cards:{value}" for name, value in points.items()]
        (home / "entry_points.txt").write_text("\n".join([f"[{GROUP}]", *lines]))
        (tmp_path / "plugged_cards.py").write_text(CARDS)
        monkeypatch.syspath_prepend(tmp_path)

    return install


def registry():
    found = Registry("method", GROUP)
    found.add(Card(name="ours", title="", reference="", recipe="", formula="", summary=""))
    return found


def test_cards_of_a_package_are_there_at_the_first_question(package):
    package(a="ONE", b="MORE")
    for ask in (list, lambda r: [c.name for c in r.cards()]):
        assert ask(registry()) == ["ours", "one", "two", "three"]
    assert len(registry()) == 4
    assert "two" in registry()
    assert registry().parse("two:relu=false").relu is False
    assert list(Registry("method")) == []


def test_adding_ours_asks_no_package(package):
    package(a="NOTHING")
    found = registry()
    with pytest.raises(SettingError, match=r"'a' of 'regionwise.methods' \(plugged_cards:NO"):
        found.card("ours")


@pytest.mark.parametrize(
    ("points", "says"),
    [
        ({"a": "NUMBER"}, "must be a card, or a list of cards, not int"),
        ({"a": "ONE", "b": "ONE"}, "a method named 'one' exists already"),
    ],
)
def test_what_is_no_card_is_refused(package, points, says):
    package(**points)
    with pytest.raises(SettingError, match=says):
        len(registry())
