"""Quantities of resources: 50m, 128Mi, 1Gi, 2."""

import re
from fractions import Fraction

UNITS = {"": 1, "n": Fraction(1, 10**9), "u": Fraction(1, 10**6),
         "m": Fraction(1, 1000), "k": 10**3, "M": 10**6, "G": 10**9,
         "T": 10**12, "P": 10**15, "E": 10**18, "Ki": 2**10, "Mi": 2**20,
         "Gi": 2**30, "Ti": 2**40, "Pi": 2**50, "Ei": 2**60}
PATTERN = re.compile(r"([+-]?\d*\.?\d+)(?:[eE]([+-]?\d+))?"
                     r"(n|u|m|k|[KMGTPE]i?)?")


def parse(value):
    """The number; ValueError when it is none."""
    found = PATTERN.fullmatch(str(value))
    if not found:
        raise ValueError(f"no quantity: {value!r}")
    number, exponent, unit = found.groups()
    return Fraction(number) * Fraction(10) ** int(exponent or 0) \
        * UNITS[unit or ""]


def show(number, like=""):
    """As the server writes a sum: in binary units where it can."""
    number = Fraction(number)
    if number.denominator != 1:
        return f"{int(number * 1000)}m"
    number = int(number)
    binary = "memory" in like or "storage" in like
    for unit in ("Gi", "Mi", "Ki"):
        if binary and number and number % UNITS[unit] == 0:
            return f"{number // UNITS[unit]}{unit}"
    return str(number)
