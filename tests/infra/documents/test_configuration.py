"""The reference of variables: what it says of a field, and that no variable goes unexplained."""

from dataclasses import dataclass
from typing import Literal

import msgspec
import pytest

from infra.documents.configuration import Program, Undocumented, environment_table


class Shop(msgspec.Struct, kw_only=True):
    url: str
    """Address of the shop,
    as people write it.
    """
    wait_seconds: float = 4.0
    """Time to wait | rest."""
    kind: Literal["open", "closed"] = "open"
    """State of the shop."""


class Visitor(msgspec.Struct, kw_only=True):
    url: str = ""


@dataclass(frozen=True, kw_only=True)
class Wallet:
    is_full: bool = True
    """Full at first."""


@dataclass(frozen=True, kw_only=True)
class Customer(Wallet):
    sum_usd: int
    """Sum to spend."""


def test_a_row_has_type_default_unit_readers_and_meaning() -> None:
    table = environment_table([Program("shop", (Shop,)), Program("visitor", (Visitor,))])

    shop, _, visitor = table.partition("## visitor")
    assert "| `KIND` | `open`, `closed` | `open` |  | shop | State of the shop. |" in shop
    assert "| `WAIT_SECONDS` | number | `4` | seconds | shop | Time to wait \\| rest. |" in shop
    assert "| `URL` | text | required |  | shop, visitor | Address of the shop, as people" in shop
    assert "| `URL` | text | empty |  | shop, visitor | Address of the shop, as people" in visitor


def test_a_dataclass_has_the_fields_of_its_bases() -> None:
    table = environment_table([Program("customer", (Customer,))])

    assert "| `IS_FULL` | `true` or `false` | `true` |  | customer | Full at first. |" in table
    assert (
        "| `SUM_USD` | whole number | required | US dollars | customer | Sum to spend. |" in table
    )


def test_a_variable_without_a_meaning_is_refused() -> None:
    with pytest.raises(Undocumented, match="URL of tests.infra.*has 0 meanings"):
        environment_table([Program("visitor", (Visitor,))])
