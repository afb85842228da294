"""Beartype as the import hook uses it: an `int` is welcome where a `float` is asked (PEP 484)."""

from beartype import BeartypeConf, beartype

checked = beartype(conf=BeartypeConf(is_pep484_tower=True))
