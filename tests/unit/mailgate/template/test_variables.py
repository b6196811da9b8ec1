"""Variables are read strictly, and written for the engine so that it reads them back as they are."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailgate.mail import Parts
from mailgate.template.content import Templates
from mailgate.template.variables import MAX_DEPTH, MAX_MEMBERS, Unreadable, read


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"\xff{}", "UTF-8"),
        (b"{", "JSON"),
        (b"[1]", "object"),
        (b'"a"', "object"),
        (b"null", "object"),
        (b'{"a": NaN}', "NaN"),
        (b'{"a": -Infinity}', "Infinity"),
        (b'{"a": 1e999}', "largest"),
        (b'{"a": ' + b"9" * 40 + b"}", "bits"),
        (b'{"a": -' + b"9" * 5000 + b"}", "bits"),
        (b'{"a": "\\ud800"}', "surrogate"),
        (b'{"\\udfff": 1}', "surrogate"),
        (b'{"a": {"b": ["\\ud800"]}}', "surrogate"),
        (b'{"a": "\\u0000"}', "NUL"),
        (b'{"a": "\n"}', "JSON"),
        (b"[" * 60_000, "inside each other"),
        (b'{"a":' * (MAX_DEPTH + 1) + b"1" + b"}" * (MAX_DEPTH + 1), "inside each other"),
        (b'{"a":[' + b"0," * MAX_MEMBERS + b"0]}", "values"),
    ],
)
def test_what_is_no_object_of_variables_is_refused(data, word):
    """With a word of why."""
    with pytest.raises(Unreadable, match=word):
        read(data)


def test_what_is_read():
    """Integers as they are; the last of two members of one name; nothing for no data."""
    assert read(b"") == {}
    assert read(b'{"a": 12345678901234567, "b": 1, "b": 2}') == {"a": 12345678901234567, "b": 2}
    assert read(b'{"a": %d}' % (2**127 - 1)) == {"a": 2**127 - 1}
    assert read(b'{"a": "\\ud83d\\ude00"}') == {"a": "😀"}


TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**127) + 1, 2**127 - 1) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)
TEMPLATES = Templates(Parts(text="{{ v|tojson }}"))


@given(VALUES)
def test_the_engine_has_what_the_caller_gave(value):
    """Scalars and what holds them, whatever their texts try to begin or end."""
    came = TEMPLATES.render(read(json.dumps({"v": value}).encode())).text
    assert json.loads(came) == value
