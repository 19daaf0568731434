from __future__ import annotations

from datetime import date
from fractions import Fraction

import pytest

from bursar.policies.book import PriceBook, PriceBookError, Rates
from bursar.policies.pricefile import SHIPPED, parse_book, shipped_book

ROW = 'input = "2", cache_read = "0.1", cache_write_5m = 2.5, cache_write_1h = 4, output = 10'
OWN_KEYS = ROW.replace(", ", "\n")


def parsed(text: str) -> PriceBook:
    return parse_book(text, source="conf/acme.toml")


@pytest.mark.parametrize("written", ['"2.50"', "2.50", "2.5", "25e-1"])
def test_prices_are_read_exactly(written: str) -> None:
    """A text, a TOML float and an exponent are the same decimal: 2.50 USD/MTok is 2,500,000 pico-dollars a token."""
    book = parsed(f'[[model]]\nid = "m"\n{OWN_KEYS.replace("cache_write_5m = 2.5", f"cache_write_5m = {written}")}')
    assert book.models[0].rows[0].rates == Rates(2_000_000, 100_000, 2_500_000, 4_000_000, 10_000_000)


def test_a_price_may_be_zero() -> None:
    """What costs nothing, the user may say so."""
    (model,) = parsed(f'[[model]]\nid = "m"\n{OWN_KEYS.replace("output = 10", "output = 0")}').models
    assert model.rows[0].rates.output == 0


def test_a_decimal_that_no_float_holds_is_read_exactly() -> None:
    """0.1 as a binary float would be 100000.00000000000555 pico-dollars; it is 100,000."""
    book = parsed(f'[[model]]\nid = "m"\n{OWN_KEYS.replace(chr(34) + "0.1" + chr(34), "0.1")}')
    assert book.models[0].rows[0].rates.cache_read == 100_000


def test_rows_are_sorted_and_named() -> None:
    """Rows go by day and length, and their ids say model, day, tier and the user's file."""
    book = parsed(
        f'[[model]]\nid = "m"\nprices = [\n{{ from = 2026-10-07, {ROW} }},\n{{ above = 100, {ROW} }},\n{{ {ROW} }},\n]'
    )
    assert [row.id for row in book.models[0].rows] == [
        "m@launch/acme.toml",
        "m@launch>100/acme.toml",
        "m@2026-10-07/acme.toml",
    ]
    assert [row.starts for row in book.models[0].rows] == [date.min, date.min, date(2026, 10, 7)]


def test_a_dated_row_in_the_models_own_keys() -> None:
    """The short form takes a `from` date too."""
    (model,) = parsed(f'[[model]]\nid = "m"\nfrom = 2026-12-01\n{OWN_KEYS}').models
    assert [row.starts for row in model.rows] == [date(2026, 12, 1)]


def test_our_own_rows_name_no_file() -> None:
    """The shipped book's ids are bare."""
    assert parse_book(f'[[model]]\nid = "m"\n{OWN_KEYS}', source=SHIPPED).models[0].rows[0].id == "m@launch"


def test_facts_and_factors() -> None:
    """Facts keep their types, factors are exact, and `given` tells what the file names."""
    book = parsed(
        'multiply = "0.85"\nas_of = 2026-11-22\n[fees]\nweb_search_per_1000 = 10\n[modifiers]\nbatch = 0.5\n'
        '[[model]]\nid = "m"\nmultiply = "1.10"\naliases = ["n"]\nfast = true\nfast_removed = 2026-11-30\n'
        'max_output = 64_000\ntokenizer = "new"\nsources = ["contract", "mail"]\n' + OWN_KEYS
    )
    (model,) = book.models
    assert (book.multiply, book.as_of, book.modifiers) == (
        Fraction(17, 20),
        date(2026, 11, 22),
        {"batch": Fraction(1, 2)},
    )
    assert book.web_search_pico == 10**10
    assert (model.multiply, model.aliases, model.fast, model.fast_removed) == (
        Fraction(11, 10),
        ("n",),
        True,
        date(2026, 11, 30),
    )
    assert (model.max_output, model.tokenizer, model.rows[0].source) == (64_000, "new", "contract; mail")
    assert set(model.given) == {"aliases", "fast", "fast_removed", "max_output", "tokenizer", "sources"}


def test_an_empty_file_is_a_book_of_nothing() -> None:
    """A user's file may be empty."""
    book = parsed("")
    assert not book.models
    assert not book.modifiers
    assert (book.multiply, book.web_search_pico, book.as_of) == (Fraction(1), None, None)


def test_the_shipped_book_is_read_once() -> None:
    """Everybody shares one shipped book."""
    assert shipped_book() is shipped_book()


def entry(*lines: str) -> str:
    return "\n".join(("[[model]]", 'id = "m"', *lines))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("multiply = ", "conf/acme.toml: is not valid TOML: "),
        (f"multiply = {'9' * 5_000}", "conf/acme.toml: is not valid TOML: "),
        (
            'discount = "0.9"',
            "conf/acme.toml: discount: is no key of a price file here; the keys are as_of, replace, multiply, ",
        ),
        ("multiply = 0", 'conf/acme.toml: multiply: 0 is not above zero and at most 1000; write a factor as in "1.10"'),
        ("multiply = 1001", "conf/acme.toml: multiply: 1001 is not above zero"),
        ("multiply = true", 'conf/acme.toml: multiply: True is no number; write a factor as in "1.10"'),
        ('multiply = "ten percent"', "conf/acme.toml: multiply: 'ten percent' is no number; "),
        ("multiply = nan", "conf/acme.toml: multiply: Decimal('NaN') is no number; "),
        ("multiply = inf", "conf/acme.toml: multiply: Decimal('Infinity') is no number; "),
        ('multiply = "1e-999999999"', "has more than 12 decimals; round it"),
        (
            'as_of = "2026-11-22"',
            "conf/acme.toml: as_of: '2026-11-22' is no date; write it as 2026-10-07, without quotes",
        ),
        ("as_of = 2026-11-22T10:00:00Z", "as_of: '2026-11-22 10:00:00+00:00' is no date; "),
        ("modifiers = 3", "conf/acme.toml: modifiers: is no table; "),
        (
            "[modifiers]\nslow = 2",
            "conf/acme.toml: modifiers.slow: is no key of a price file here; the keys are batch, ",
        ),
        ("[fees]\nweb_search = 10", "conf/acme.toml: fees.web_search: is no key"),
        ("[model]\nid = 'm'", "conf/acme.toml: model: is one table; write [[model]]"),
        ("model = [3]", "conf/acme.toml: model[0]: is no table; "),
        ("[[model]]\ninput = 1", 'conf/acme.toml: model[0]: has no id; add id = "claude-…"'),
        ("[[model]]\nid = 5", "conf/acme.toml: model[0].id: 5 is no text; write it in quotes"),
        ('[[model]]\nid = "eu.anthropic.claude-opus-5"', 'is the id of a region; write "claude-opus-5"'),
        (entry(), 'conf/acme.toml: model "m": says nothing; give it input, cache_read, '),
        (entry("inptu = 2"), 'conf/acme.toml: model "m".inptu: is no key of a price file here; '),
        (
            entry("input = 2"),
            'conf/acme.toml: model "m".prices[0]: has no cache_read; add its US dollars per million tokens, '
            'as in cache_read = "2.50"',
        ),
        (entry("from = 2026-12-01"), 'model "m".prices[0]: has no input; '),
        (entry("prices = []"), 'model "m".prices: is no list of rows; write prices = ['),
        (
            entry(f"prices = [ {{ {ROW} }} ]", "input = 2"),
            'model "m": has prices both in its own keys and under prices; ',
        ),
        (entry(f"prices = [ {{ {ROW} }}, {{ {ROW} }} ]"), 'model "m".prices: has two rows for m@launch/acme.toml; '),
        (entry(f"prices = [ {{ above = 5, {ROW} }} ]"), "has no row without above beside m@launch>5/acme.toml; "),
        (
            entry(f"prices = [ {{ {ROW} }}, {{ from = 2026-12-01, above = 5, {ROW} }} ]"),
            "has no row without above beside m@2026-12-01>5/acme.toml; ",
        ),
        (entry(f"prices = [ {{ above = 0, {ROW} }} ]"), "prices[0].above: 0 is no number of tokens; "),
        (entry(f"prices = [ {{ above = true, {ROW} }} ]"), "prices[0].above: True is no number of tokens; "),
        (entry("prices = [ 3 ]"), 'model "m".prices[0]: is no table; '),
        (
            entry(OWN_KEYS.replace("output = 10", "output = -1")),
            "prices[0].output: -1 is below zero or beyond 1000000; ",
        ),
        (
            entry(OWN_KEYS.replace("output = 10", "output = 1000001")),
            "prices[0].output: 1000001 is below zero or beyond",
        ),
        (
            entry(OWN_KEYS.replace("output = 10", 'output = "1e999999999"')),
            "output: 1e999999999 is below zero or beyond",
        ),
        (entry(OWN_KEYS.replace("output = 10", 'output = "0.0000001"')), "has more than 6 decimals; round it"),
        (
            entry('fast = "yes"'),
            "model \"m\".fast: 'yes' is neither true nor false; write true or false, without quotes",
        ),
        (entry("max_output = 0.5"), "model \"m\".max_output: Decimal('0.5') is no number of tokens; "),
        (entry('tokenizer = "newer"'), "model \"m\".tokenizer: 'newer' is no generation of tokenizers; "),
        (entry('aliases = "n"'), "model \"m\".aliases: 'n' is no list of texts; "),
        (entry('aliases = [""]'), "model \"m\".aliases: '' is no text; "),
        (entry("multiply = 2") + "\n" + entry("multiply = 2"), 'model: "m" and "m" both name m; '),
        (
            entry("multiply = 2") + '\n[[model]]\nid = "n"\naliases = ["m"]\nmultiply = 2',
            '"n" and "m" both name m; put all that concerns one model in one entry',
        ),
    ],
)
def test_a_mistake_is_told_with_file_key_and_remedy(text: str, told: str) -> None:
    """Each mistake says where it is, what is wrong, and what to write instead."""
    with pytest.raises(PriceBookError) as caught:
        parsed(text)
    assert told in str(caught.value)
    assert str(caught.value).startswith("conf/acme.toml: ")
    assert "; " in str(caught.value)
