"""From which contrast most lesions that are put into a CT are found, with as few looks as the answer needs."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dotaliver.segmentation.lesions.ct_detectability import lowest_for_most


def by_full_bisection(found: list[list[bool]], wanted: int) -> int:
    """Every place to its end, then the wanted one in order."""
    lowest = []
    for levels in found:
        low, high = 0, len(levels)
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if levels[middle] else (middle + 1, high)
        lowest.append(low)
    return sorted(lowest)[wanted - 1]


@given(st.data())
def test_skipping_looks_changes_no_answer(data: st.DataObject) -> None:
    """Also where a fainter lesion is found and a darker one is not, as noise may have it."""
    levels = data.draw(st.integers(1, 12))
    found = data.draw(st.lists(st.lists(st.booleans(), min_size=levels, max_size=levels), min_size=1, max_size=24))
    wanted = data.draw(st.integers(1, len(found)))
    looks: list[tuple[int, int]] = []

    def is_found(place: int, level: int) -> bool:
        looks.append((place, level))
        return found[place][level]

    assert lowest_for_most(is_found, len(found), levels, wanted) == by_full_bisection(found, wanted)
    assert len(looks) == len(set(looks))


def test_places_that_cannot_change_the_answer_are_left_alone() -> None:
    """Of 20 places 16 are wanted. Where 5 are found at no level, the others need not be looked at to their end."""
    looks = []

    def is_found(place: int, level: int) -> bool:
        looks.append((place, level))
        return place >= 5

    assert lowest_for_most(is_found, 20, 7, 16) == 7
    # 16 looks at the middle level at most, then the way up of the five that are never found
    assert len(looks) <= 16 + 2 * 5 < 20 * 3
