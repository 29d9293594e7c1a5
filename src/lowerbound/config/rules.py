"""What a configuration key may hold: each rule converts a value or refuses it, saying what it got and what is allowed."""

from __future__ import annotations

import abc
import dataclasses
import math
import numbers
import operator
from typing import Any, NoReturn

from typing_extensions import override

from ..errors import ConfigurationError, unknown_name_message


class Rule(abc.ABC):
    """What one configuration key may hold."""

    @abc.abstractmethod
    def describe(self) -> str:
        """The allowed values in words, to complete "expected ..."."""

    @abc.abstractmethod
    def convert(self, where: str, value: Any) -> Any:
        """`value` as a plain Python value, or a `ConfigurationError` that begins with `where` (`section.key`)."""

    def refuse(self, where: str, value: Any) -> NoReturn:
        """Raise the error that says what `where` got and what it may be."""
        raise ConfigurationError(f"{where} is {value!r} ({kind_of(value)}); expected {self.describe()}.")


def check_fields(part: Any, **rules: Rule) -> None:
    """Hold fields of an object that a person made to their rules; raises `ConfigurationError`, which names class and field."""
    for name, rule in rules.items():
        rule.convert(f"{type(part).__name__}: {name}", getattr(part, name))


def kind_of(value: Any) -> str:
    """The kind of a value in the words of a configuration file."""
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, numbers.Integral):
        return "an integer"
    if isinstance(value, numbers.Real):
        return "a number"
    if isinstance(value, str):
        return "text"
    if isinstance(value, list | tuple):
        return "a list"
    return f"a {type(value).__name__}"


def _whole(value: Any) -> int | None:
    """`value` as Python's integer when it is one (NumPy's are); a boolean is not."""
    return int(operator.index(value)) if isinstance(value, numbers.Integral) and not isinstance(value, bool) else None


def _finite(value: Any) -> float | None:
    """`value` as a float when it is a finite number, whole or not; a boolean is not."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        return None
    return float(value) if math.isfinite(value) else None


@dataclasses.dataclass(frozen=True)
class Integer(Rule):
    """A whole number, `minimum` <= value (<= `maximum`). A boolean is never one."""

    minimum: int
    maximum: int | None = None

    def describe(self) -> str:
        """For example "an integer >= 1"."""
        if self.maximum is None:
            return f"an integer >= {self.minimum}"
        return f"an integer from {self.minimum} to {self.maximum}"

    def convert(self, where: str, value: Any) -> int:
        """NumPy's integers are accepted and become Python's."""
        whole = _whole(value)
        if whole is None or whole < self.minimum or (self.maximum is not None and whole > self.maximum):
            self.refuse(where, value)
        return whole


@dataclasses.dataclass(frozen=True)
class Real(Rule):
    """A finite number, `minimum` <= value (< when `strictly_above`), value < `below`, value <= `at_most`."""

    minimum: float = -math.inf
    below: float = math.inf
    strictly_above: bool = False
    at_most: float = math.inf

    def describe(self) -> str:
        """For example "a number >= 0 and < 1"; "a number" without ends."""
        sign = ">" if self.strictly_above else ">="
        ends = [(sign, self.minimum), ("<", self.below), ("<=", self.at_most)]
        return " and ".join(["a number", *(f"{sign} {end:g}" for sign, end in ends if math.isfinite(end))]).replace(" and", "", 1)

    def convert(self, where: str, value: Any) -> float:
        """An integer is accepted where a number is meant, and becomes a float."""
        number = _finite(value)
        if number is None or number < self.minimum or number >= self.below or number > self.at_most:
            self.refuse(where, value)
        if self.strictly_above and number == self.minimum:
            self.refuse(where, value)
        return number


# At least one of something, and what is above 0.
COUNT, POSITIVE = Integer(1), Real(0.0, strictly_above=True)


@dataclasses.dataclass(frozen=True)
class Boolean(Rule):
    """True or false, and nothing that merely looks like it."""

    @override
    def describe(self) -> str:
        return "true or false"

    @override
    def convert(self, where: str, value: Any) -> bool:
        if not isinstance(value, bool):
            self.refuse(where, value)
        return value


@dataclasses.dataclass(frozen=True)
class OneOf(Rule):
    """One of a few known names."""

    names: tuple[str, ...]

    @override
    def describe(self) -> str:
        return "one of " + ", ".join(repr(name) for name in self.names)

    def convert(self, where: str, value: Any) -> str:
        """An unknown name is refused with the nearest right one."""
        if not isinstance(value, str):
            self.refuse(where, value)
        if value not in self.names:
            raise ConfigurationError(unknown_name_message(where, value, self.names))
        return str(value)


@dataclasses.dataclass(frozen=True)
class Text(Rule):
    """Any text; empty only when `may_be_empty`."""

    may_be_empty: bool = False

    def describe(self) -> str:
        """For example "text"."""
        return "text" if self.may_be_empty else "text that is not empty"

    def convert(self, where: str, value: Any) -> str:
        """Nothing but text is text: a number is not silently turned into one."""
        if not isinstance(value, str) or not (value or self.may_be_empty):
            self.refuse(where, value)
        return str(value)


@dataclasses.dataclass(frozen=True)
class ListOf(Rule):
    """A list, each of whose items obeys `item`; with `or_name` also a name alone, which `item` allows."""

    item: Rule
    or_name: bool = False

    def describe(self) -> str:
        """For example "a list, each item an integer >= 1", or "one of 'elu', 'tanh', or a list of such names"."""
        each = self.item.describe()
        return f"{each}, or a list of such names" if self.or_name else f"a list, each item {each}"

    def convert(self, where: str, value: Any) -> Any:
        """A list becomes a tuple, so that a section stays hashable."""
        if self.or_name and isinstance(value, str):
            return self.item.convert(where, value)
        if not isinstance(value, list | tuple):
            self.refuse(where, value)
        return tuple(self.item.convert(f"{where}[{index}]", item) for index, item in enumerate(value))


@dataclasses.dataclass(frozen=True)
class WordOr(Rule):
    """One word that stands for what is chosen elsewhere, or what another rule allows."""

    word: str
    otherwise: Rule

    def describe(self) -> str:
        """For example "'auto' or a number > 0"."""
        return f"{self.word!r} or {self.otherwise.describe()}"

    def convert(self, where: str, value: Any) -> Any:
        """The word, or what the other rule makes of the value."""
        if isinstance(value, str) and value == self.word:
            return self.word
        try:
            return self.otherwise.convert(where, value)
        except ConfigurationError:
            self.refuse(where, value)


@dataclasses.dataclass(frozen=True)
class PartOfData(Rule):
    """How much of a data set: a count (an integer), a fraction (strictly between 0 and 1), or 0 for nothing.

    - `may_be_named`: a text is allowed too, which says which examples.
    """

    may_be_named: bool = False

    @override
    def describe(self) -> str:
        named = ", or the name of a file, or of a column or a variable" if self.may_be_named else ""
        return f"0 (none), a fraction strictly between 0 and 1, or a number of examples (an integer >= 1){named}"

    def convert(self, where: str, value: Any) -> int | float | str:
        """An integer stays a count; 0.0 is the same as 0."""
        if self.may_be_named and isinstance(value, str) and value.strip():
            return value
        count, fraction = _whole(value), _finite(value)
        if fraction is None or fraction < 0 or (count is None and fraction >= 1):
            self.refuse(where, value)
        return count if count is not None else fraction or 0
