"""Numbers that a caller may get wrong. A time of NaN never ends, or ends at once; a limit of it limits nothing."""

from __future__ import annotations


def checked_timeout(value: float, name: str = "timeout") -> float:
    """In seconds; inf: no end."""
    if checked_time(value, name) == 0:
        raise ValueError(f"{name} is more than 0 seconds, not {value!r}")
    return value


def checked_time(value: float, name: str) -> float:
    """In seconds, or none at all."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name} is a number of seconds, not {value!r}")
    if not value >= 0:
        raise ValueError(f"{name} is a number of seconds, not {value!r}")
    return value


def checked_count(value: int, name: str, least: int = 0) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} is a whole number, not {value!r}")
    if value < least:
        raise ValueError(f"{name} is at least {least}, not {value!r}")
    return value
