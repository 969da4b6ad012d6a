"""Values as people read them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.metrics import METRICS

if TYPE_CHECKING:
    from harness.records import Record

WIDE = 10.0
"""An interval that ends beyond this multiple of its value does not even say the order of magnitude."""
TOO_WIDE = "[too wide to say]"
"""Stands for such an interval; the records have its ends."""
SIZES = (("GiB", 2.0**30), ("MiB", 2.0**20), ("KiB", 2.0**10))
"""Units of sizes in bytes, the largest first."""


def label(name: str) -> str:
    """The metric's label with its component: ``latency_total/p50`` is "Query latency p50"."""
    base, _, part = name.partition("/")
    known = METRICS.get(base)
    if base.startswith("throughput_"):
        part = {"1": "with one thread", "all": "with all threads"}.get(part, part)
    if base in ("highest_load", "loaded_latency") and (servers := part.rpartition("/")[2]).isdigit():
        part = f"{part.removesuffix(servers).removesuffix('/')} with {servers} servers".strip()
    return f"{known.label if known else base}{f' {part}' if part else ''}"


def number(value: float, unit: str) -> str:
    """A value with its unit.

    >>> number(0.00012, "seconds"), number(1536, "bytes"), number(2.5e9, "flops"), number(0.5, "fraction")
    ('0.120 ms', '1.50 KiB', '2.50 G', '0.500')
    >>> number(5e-8, "seconds"), number(4.2e-6, "seconds")
    ('50 ns', '4.20 µs')
    """
    if unit == "seconds":
        milli = value * 1e3
        if 0 < value < 1e-5:
            return f"{value * 1e9:.0f} ns" if value < 1e-6 else f"{value * 1e6:.2f} µs"
        digits = 0 if milli >= 100 else 1 if milli >= 10 else 2 if milli >= 1 else 3
        return f"{value:.2f} s" if value >= 1 else f"{milli:.{digits}f} ms"
    steps: tuple[tuple[str, float], ...] = ()
    if unit == "bytes":
        steps = SIZES
    elif unit == "flops":
        steps = (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3))
    if value == 0 and unit in ("bytes", "flops", "count"):
        return "0"
    for name, size in steps:
        if value >= size:
            return f"{value / size:.2f} {name}"
    if unit == "bytes":
        return f"{value:.0f} B"
    if unit == "joules":
        return f"{value:.2f} J" if value >= 1 else f"{value * 1e3:.3g} mJ"
    if unit == "price":
        return f"{value:,.4g}"
    if unit in ("fraction", "ratio"):
        return f"{value:.3f}"
    return f"{value:,.0f}" if float(value).is_integer() or value >= 1000 else f"{value:,.1f}"


def ratio(value: float) -> str:
    """Three digits, or all of a whole number.

    >>> ratio(2.756), ratio(1234.5)
    ('2.76', '1,234')
    """
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def says_nothing(value: float, high: float, unit: str) -> bool:
    """Whether an interval ends beyond `WIDE` times its value; shares and ratios are never that wide."""
    return unit not in ("fraction", "ratio") and 0 < WIDE * value < high


def ends(value: float, low: float, high: float, unit: str) -> str:
    """``[low, high]``, or that the interval is too wide to say anything.

    >>> ends(0.004, 0.003, 0.006, "seconds"), ends(0.004, 0.0, 65563202.6, "seconds")
    ('[3.00 ms, 6.00 ms]', '[too wide to say]')
    """
    return TOO_WIDE if says_nothing(value, high, unit) else f"[{number(low, unit)}, {number(high, unit)}]"


def interval(row: Record) -> str:
    """A record's interval, see `ends`; empty where there is none or every query has the same value."""
    if row.ci_low is None or row.ci_high is None or row.ci_low == row.ci_high:  # the same for every query
        return ""
    return ends(row.value, row.ci_low, row.ci_high, row.unit)
