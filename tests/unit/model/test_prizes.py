"""How a pool is divided, against the site's own examples and where floats get them wrong."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watcher.model.prizes import UnreadablePrizesError, divide, paid_places, prize_shares

BY_OBJECT = '{"1":50,"2":30,"3":20}'
BY_LIST = '[{"position":1,"percentage":50},{"position":2,"percentage":30},{"position":3,"percentage":20}]'


def amounts(text: str, pool: int, places: int) -> list[int]:
    """What each of the places gets."""
    prizes = divide(pool, prize_shares(text), places).prizes
    return [prizes.get(place, 0) for place in range(1, places + 1)]


@pytest.mark.parametrize("text", [BY_OBJECT, BY_LIST])
@pytest.mark.parametrize(
    ("pool", "places", "expected"),
    [
        (10_000, 4, [5_000, 3_000, 2_000, 0]),
        (100, 3, [50, 30, 20]),
        (333, 3, [166, 99, 66]),
        (1_000, 3, [500, 300, 200]),
        (7, 3, [3, 2, 1]),
        (1_000, 10, [500, 300, 200, *[0] * 7]),
        (400, 4, [200, 120, 80, 0]),
        (100, 1, [50]),
        (200, 2, [100, 60]),
        (0, 3, [0, 0, 0]),
        (0, 0, []),
        (1_000, 0, []),
        (1, 3, [0, 0, 0]),
    ],
)
def test_the_reference_s_cases(text: str, pool: int, places: int, expected: list[int]) -> None:
    assert amounts(text, pool, places) == expected


@pytest.mark.parametrize(
    ("text", "pool", "places", "expected"),
    [
        ('{"1":100}', 5_000, 3, [5_000, 0, 0]),
        ('{"1":100}', 12_345, 3, [12_345, 0, 0]),
        ('[{"position":1,"percentage":100}]', 100, 1, [100]),
        ('{"1":40,"2":30,"3":20,"4":10}', 1_000, 2, [400, 300]),
        ('{"1":40,"2":30,"3":20,"4":10}', 1_000, 1, [400]),
        ('{"1":60,"2":25,"3":15}', 10_000, 3, [6_000, 2_500, 1_500]),
        ('{"1":35,"2":25,"3":20,"4":12,"5":8}', 10_000, 6, [3_500, 2_500, 2_000, 1_200, 800, 0]),
        ('[{"position":3,"percentage":20},{"position":1,"percentage":50}]', 100, 3, [50, 0, 20]),
    ],
)
def test_other_divisions(text: str, pool: int, places: int, expected: list[int]) -> None:
    assert amounts(text, pool, places) == expected


@pytest.mark.parametrize(
    ("percent", "pool", "expected"),
    [
        ("29", 100, 29), ("57", 100, 57), ("58", 100, 58), ("29", 200, 58), ("57", 10_000, 5_700),
        ("69", 10_000, 6_900), ("33.3", 1_000, 333), ("12.5", 8, 1), ("12.5", 80, 10), ("0.1", 1_000, 1),
        ("0.7", 1_000, 7), ("1.1", 1_000, 11), ("14.000000001", 100, 14), ("99.999999999", 100, 99),
        ("1.15", 10_000, 115), ("8.2", 1_000, 82),
    ],
)  # fmt: skip
def test_where_floats_get_it_wrong(percent: str, pool: int, expected: int) -> None:
    assert amounts(f'{{"1":{percent}}}', pool, 1) == [expected]


def test_floats_do_get_it_wrong() -> None:
    """The control: the cases above are not all the same to a float."""
    assert int((29 / 100) * 100) == 28
    assert int((8.2 / 100) * 1_000) == 81


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"1":60,"2":60}', "percentages come to 120, expected at most 100"),
        ('{"1":100,"2":0.000000001}', "percentages come to 100, expected at most 100"),
        ('{"1":-1}', "given -1 percent for place 1, expected a number from 0 to 100"),
        ('{"1":-1,"2":101}', "given -1 percent for place 1"),
        ('{"1":"50"}', 'given "50" percent for place 1'),
        ('{"1":null}', "given null percent for place 1"),
        ('{"1":true}', "given true percent for place 1"),
        ('{"1":1e-12}', "with 9 decimals at most"),
        ('{"1":1e-999999999999}', "with 9 decimals at most"),
        ('{"1":33.333333333333336}', "with 9 decimals at most"),
        ('[{"position":"1","percentage":50}]', 'given the place "1"'),
        ('[{"position":1000000000000000000,"percentage":50}]', "given the place 1000000000000000000"),
        ('[{"position":1,"percentage":"50"}]', 'given "50" percent for place 1'),
        ('[{"position":1,"percentage":50},{"position":1.0,"percentage":5}]', "place 1 is there twice"),
        ('[{"position":1e-999999,"percentage":50}]', "given the place 1E-999999"),
        ('{"1":29,"2":null}', "given null percent for place 2"),
        ('{"1":{"percentage":50}}', "percent for place 1"),
        ('{" 1":50}', 'given the place " 1"'),
        ('{"\uff11":50}', "expected a whole number of at least 1"),
        ("[[1,50]]", "given [1,50] in the list"),
        ('{"1":1e999}', "given 1E+999 percent for place 1"),
        ('{"0":50}', "given the place 0, expected a whole number of at least 1"),
        ('{"-1":50}', 'given the place "-1"'),
        ('{"first":50}', 'given the place "first"'),
        ('{"1":50,"01":50}', "place 1 is there twice"),
        (f'{{"{"9" * 5_000}":50}}', "given the place"),
        ('[{"position":1,"percentage":50},{"position":1,"percentage":50}]', "place 1 is there twice"),
        ('[{"position":1.5,"percentage":50}]', "given the place 1.5"),
        ('[{"position":true,"percentage":50}]', "given the place true"),
        ('[{"position":1}]', "expected a position and a percentage"),
        ("[50,30,20]", "given 50 in the list"),
        ('"all"', 'given "all"'),
        ("50", "given 50"),
        ('{"1":', "no JSON"),
        ('{"1":NaN}', "no JSON"),
        ("[" * 100_000, "no JSON"),
    ],
)
def test_what_is_not_plain_is_refused_with_its_reason(text: str, reason: str) -> None:
    with pytest.raises(UnreadablePrizesError) as refused:
        prize_shares(text)

    assert reason in str(refused.value)
    assert paid_places(text) == 0


@pytest.mark.parametrize("text", [None, "null", "[]", "{}", '{"1":0}'])
def test_nothing_is_for_nobody(text: str | None) -> None:
    assert divide(100, prize_shares(text), 5) == divide(100, {}, 5)
    assert divide(100, {}, 5).remainder == 100


@given(
    st.dictionaries(st.integers(1, 30), st.integers(0, 100_000), max_size=10).filter(
        lambda parts: sum(parts.values()) <= 100_000
    ),
    st.integers(0, 10**15),
    st.integers(0, 40),
)
def test_no_buzz_is_made_or_lost(parts: dict[int, int], pool: int, places: int) -> None:
    """Whatever the division: what is paid and what is left are the pool, and nobody gets more than their part."""
    found = divide(pool, {place: Fraction(part, 1_000) for place, part in parts.items()}, places)

    assert found.paid + found.remainder == pool
    assert found.paid == sum(found.prizes.values())
    assert found.remainder >= 0
    for place, amount in found.prizes.items():
        assert place <= places
        assert amount * 100_000 <= parts[place] * pool < (amount + 1) * 100_000
