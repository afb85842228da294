"""Turns in palindromes, by a clock that is made up: nothing here is timed."""

import gc

import pytest
from bench.measuring import Contender, measure, palindromes


def test_every_two_contenders_are_in_abba_order():
    turns = list(palindromes("abc", 4))
    assert turns == list("abccbaabccba")
    for pair in ("ab", "ac", "bc"):
        first, second = pair
        own = [turn for turn in turns if turn in pair]
        assert own == [first, second, second, first] * 2


def test_an_odd_number_of_pairs_gives_all_the_same_number_of_turns():
    turns = list(palindromes("ab", 3))
    assert (turns.count("a"), turns.count("b")) == (3, 3)


class Clock:
    """A clock that only work moves on."""

    now = 0.0

    def __call__(self):
        return self.now

    def work(self, seconds):
        def run():
            assert not gc.isenabled()
            self.now += seconds

        return run


def test_only_the_work_is_timed_and_in_the_order_of_the_turns():
    clock, ran = Clock(), []

    def interfere(*name):
        clock.now += 100
        ran.extend(name)

    contenders = [Contender("a", clock.work(1)), Contender("b", clock.work(2))]
    found = measure(contenders, 4, clock=clock, before=interfere, after=interfere)
    assert found == {"a": [1, 1, 1, 1], "b": [2, 2, 2, 2]}
    assert ran == list("abbaabba")


def test_the_garbage_collector_comes_back_after_an_error():
    def fail():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        measure([Contender("a", fail)], 1)
    assert gc.isenabled()
