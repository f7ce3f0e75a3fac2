"""Run-time type checks of the tests: beartype, with integers accepted where floats are asked for (PEP 484)."""

from beartype import BeartypeConf, beartype

check = beartype(conf=BeartypeConf(is_pep484_tower=True))
