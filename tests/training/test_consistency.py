"""Settings that contradict each other are refused, and both are named."""

import pytest

from regionwise.errors import SettingError
from regionwise.training.consistency import uses_soft_temperature
from regionwise.training.recipes import CARDS, scheme_card
from regionwise.training.schemes import changed


@pytest.mark.parametrize(
    ("scheme", "settings", "says"),
    [
        ("vanilla", ["lr=inf"], "'lr' cannot be inf; give a finite number"),
        ("vanilla", ["lr=nan"], "'lr' cannot be 'nan'"),
        ("vanilla", ["lr=-1"], "at least 0"),
        ("vanilla", ["batch=0"], "at least 1"),
        ("vanilla", ["momentum=1"], "momentum must be below 1, not 1.0"),
        ("vanilla", ["nesterov=true", "momentum=0"], "nesterov=true needs a momentum"),
        ("vanilla", ["loss=calm-em"], "loss=calm-em does not fit head=pooled"),
        ("vanilla", ["vanilla=true"], "vanilla=true needs loss=bootstrap"),
        ("calm-em", ["em_decay=2"], "em_decay must be at most 1"),
        ("calm-em", ["frozen=true"], "frozen=true is for post-fitting"),
        ("from-scratch", ["vanilla=false"], "needs a teacher"),
        ("from-scratch", ["alpha=0"], "nothing would train the vanilla head"),
        ("from-scratch", ["beta=0"], "nothing would train the CAPE head"),
        ("from-scratch", ["alpha=0", "beta=0"], "nothing would train the CAPE head"),
        ("from-scratch", ["temperature=0"], "temperature must be above 0"),
        ("direct-ce", ["detach=true"], "nothing would train the backbone"),
        ("from-scratch", ["vanilla=false", "beta=0", "cross_entropy=head"], "detach=false"),
        ("post-fitting", ["beta=0"], "nothing would train the CAPE head"),
    ],
)
def test_what_cannot_go_together_is_refused(scheme, settings, says):
    with pytest.raises(SettingError, match=says):
        changed(scheme_card(scheme).scheme, settings)


def test_the_head_may_be_trained_by_its_own_cross_entropy_alone():
    alone = ["vanilla=false", "beta=0", "cross_entropy=head", "detach=false"]
    assert changed(scheme_card("from-scratch").scheme, alone).beta == 0


def test_only_distillation_uses_the_soft_temperature():
    using = {card.name for card in CARDS if uses_soft_temperature(card.scheme)}
    assert using == {n.name for n in CARDS if n.name.startswith(("post-fitting", "from-scratch"))}
