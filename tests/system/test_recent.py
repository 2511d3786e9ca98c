"""What is kept of results: by all that they depend on, the last ones, and in this process alone."""

import pickle

import numpy as np

from dotaliver.system.recent import Recent, content_of


def test_a_result_is_made_once_for_its_key_and_the_oldest_goes():
    recent, made = Recent(2), []

    def make(name):
        return recent.of(name, lambda: made.append(name) or len(made))

    assert [make("a"), make("b"), make("a")] == [1, 2, 1]
    make("c")
    assert make("a") == 1
    assert make("b") == 4
    assert made == ["a", "b", "c", "b"]


def test_arrays_are_told_apart_by_values_shape_and_type():
    array = np.arange(6, dtype=np.uint16).reshape(2, 3)
    same = [content_of(array), content_of(array.copy()), content_of(np.asfortranarray(array))]
    assert len(set(same)) == 1
    changed = array.copy()
    changed[1, 2] += 1
    others = [changed, array.reshape(3, 2), array.astype(np.uint32)]
    assert len({same[0], *map(content_of, others)}) == 4


def test_another_process_gets_it_empty():
    recent = Recent(3)
    recent.of("a", lambda: 1)
    there = pickle.loads(pickle.dumps(recent))
    assert len(there) == 0
    assert there.of("a", lambda: 2) == 2
