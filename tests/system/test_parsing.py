import json
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dotaliver.system.parsing import MAX_DEPTH, ParseError, as_list, as_object, parse_json, parse_toml

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63) + 1, 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(VALUES)
def test_json_that_python_writes_comes_back(value) -> None:
    text = json.dumps(value)
    assert parse_json(text) == value
    assert parse_json(text.encode("utf-8-sig")) == value


@given(st.text() | st.binary())
def test_whatever_the_text_one_kind_of_error_is_raised(text) -> None:
    for parse in (parse_json, parse_toml) if isinstance(text, str) else (parse_json,):
        try:
            parse(text)
        except ParseError as error:
            assert "\n" not in str(error)


@pytest.mark.parametrize("depth", [MAX_DEPTH, 100, 990, 5_000, 1_000_000])
@pytest.mark.parametrize(
    "parse", [lambda n: parse_json("[" * n + "]" * n), lambda n: parse_toml(f"a = {'[' * n + ']' * n}")]
)
def test_depth_is_bounded_whatever_the_parser_could_bear(parse, depth) -> None:
    with pytest.raises(ParseError, match="nested"):
        parse(depth + 1)


def test_depth_within_the_bound_is_read() -> None:
    assert parse_json("[" * (MAX_DEPTH - 1) + "]" * (MAX_DEPTH - 1))


@pytest.mark.parametrize("digits", [20, 400, 5_000, 1_000_000])
def test_integers_without_end_are_refused(digits) -> None:
    with pytest.raises(ParseError, match="too long"):
        parse_json("9" * digits)
    with pytest.raises(ParseError, match="too long"):
        parse_toml("a = " + "9" * digits)


def test_toml_is_read_as_python_reads_it() -> None:
    text = "a = 1\n[b]\nc = [1.5, 2]\n"
    assert parse_toml(text) == tomllib.loads(text)


@pytest.mark.parametrize("text", ['{"a": 1, "a": 2}', '{"b": {"a": 1, "a": 1}}', "NaN", "[Infinity]", "-Infinity"])
def test_what_json_does_not_have_is_refused(text) -> None:
    with pytest.raises(ParseError):
        parse_json(text)


@given(VALUES)
def test_an_object_and_a_list_are_told_from_everything_else(value) -> None:
    for kind, asked in ((dict, as_object), (list, as_list)):
        if isinstance(value, kind):
            assert asked(value) is value
        else:
            with pytest.raises(TypeError):
                asked(value)
