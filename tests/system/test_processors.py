"""How many threads are used."""

import os

from dotaliver.system.processors import multiply_in_one_thread, threads_at_once


def test_threads_are_as_many_as_processors_or_fewer_where_they_are_bounded(monkeypatch):
    monkeypatch.setattr("dotaliver.system.processors.processors", lambda: 4)
    asked = {"": 4, "nonsense": 4, "1": 1, "3": 3, "16": 4, "0": 1}
    for words, threads in asked.items():
        monkeypatch.setenv("OMP_NUM_THREADS", words)
        assert threads_at_once() == threads
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert threads_at_once() == 4


def test_matrices_are_multiplied_in_one_thread_unless_the_user_says_otherwise(monkeypatch):
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    multiply_in_one_thread()
    assert os.environ["OPENBLAS_NUM_THREADS"] == "1"
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "3")
    multiply_in_one_thread()
    assert os.environ["OPENBLAS_NUM_THREADS"] == "3"
