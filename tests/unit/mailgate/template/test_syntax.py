"""What templates may say; what is not taken is named with its line, and what could kill the process never reaches the engine."""

import pytest

from mailgate.template.syntax import MAX_ELIFS, MAX_TAG_TOKENS, MAX_TOKENS, check
from mailgate.template.tags import MAX_TAG, Unfit


@pytest.mark.parametrize(
    "source",
    [
        "Hi {{ name }}",
        "{%- if a and not b -%}x{%+ elif c is defined %}y{% else %}z{% endif %}",
        "{% for line in lines if line.n > 1 %}{{ loop.index + 1 }} {{ line.sku|upper }}{% else %}none{% endfor %}",
        "{% for key, value in o.items() %}{{ key }}{% endfor %}",
        "{% set total = sum_of.all|round(2) %}{{ 1 + total }}",
        "{% if name in ['a', \"b\"] %}{% endif %}{{ xs|default([]) }}{{ {'a': 1}.a }}{{ ('x', -1) }}",
        "{{ rows|map(attribute='name')|join(', ') }}",
        "{{ '}}' }}{{ \"%} {{\" }}{{ a[{'b': 1}.b] }}",
        "{# {{ ( #}{% raw %}{{ [a, a] {% macro %}{% endraw %}",
        "{{ loop.cycle('odd', 'even') }}{{ name.split(' ')[0] }}{{ xs[0] + 1 }}",
        "no tag: { { % } }",
        "{% if a is not defined and not b is none and not c and d is divisibleby(3) and e is not in f %}{% endif %}",
        "{{ a|tojson }}{{ a|trim }}{{ a|trim() }}{{ a.strip() }}{{ a|tojson() }}",
        "{{ a|select }}{{ a|select('odd') }}{{ a|selectattr('b') }}{{ a|selectattr('b', 'eq', c) }}{{ a|reject('in', b)|list }}",
        "{{ (a|selectattr('b'))|list }}{{ a|select() }}",
        "{{ a.replace(',', b) }}{{ a|replace('x', b ~ 'y') }}{{ a.split() }}{{ a|split(', ', 1) }}{{ a|split }}",
        "{{ a|sum }}{{ a|sum() }}{{ a|sum(attribute='b.c') }}{{ a|sum('b') }}{{ a|sort(attribute='b', reverse=true) }}{{ attribute == 1 }}",
    ],
)
def test_what_mails_need_is_taken(source):
    """Without a word."""
    check(source)


def test_text_without_tags_is_told_apart():
    """It needs no engine."""
    assert not check("plain { text }")
    assert check("{# only a comment #}")


@pytest.mark.parametrize(
    ("source", "line", "word"),
    [
        ("\n{% macro m() %}{% endmacro %}", 2, "macro"),
        ("{% include 'a' %}", 1, "include"),
        ("{% import 'a' as b %}", 1, "import"),
        ("{% extends 'a' %}", 1, "extends"),
        ("{%-\n block a %}", 1, "block"),
        ("{% for a in b recursive %}{% endfor %}", 1, "recursive"),
        ("{% set a = [b, b] %}", 1, "constants"),
        ("{% set a = (b, b) %}", 1, "constants"),
        ("{% set a = b, b %}", 1, "comma"),
        ("{% for a in b, b %}{% endfor %}", 1, "comma"),
        ("{% set a = {'x': b} %}", 1, "constants"),
        ("{% set a = [['x', (b), 1]] %}", 1, "constants"),
        ("{{ x[[b, b]] }}", 1, "constants"),
        ("{{ a\n* 2 }}", 2, "`*`"),
        ("{{ a ** 2 }}", 1, "`**`"),
        ("{{ a + b }}", 1, "`+`"),
        ("{{ a.1 + b }}", 1, "`+`"),
        ("{{ a + 1|list }}", 1, "`+`"),
        ("{{ a + 1.b }}", 1, "`+`"),
        ("{{ a|map('upper') }}", 1, "map"),
        ("{{ a|map(attribute=b) }}", 1, "map"),
        ("{{ a|map(attribute='b', default=c) }}", 1, "map"),
        ("{{ a|zip(a) }}", 1, "zip"),
        ("{{ a|chain(a) }}", 1, "chain"),
        ("{{ a|batch(2) }}", 1, "batch"),
        ("{{ a|groupby('b') }}", 1, "groupby"),
        ("{{ a|pprint }}", 1, "pprint"),
        ("{{ a|tojson(indent=8000000000) }}", 1, "arguments"),
        ("{{ a|tojson(8000000000) }}", 1, "arguments"),
        ("{{ a|wordwrap(width=1, wrapstring=a) }}", 1, "wordwrap"),
        ("{{ a|striptags }}", 1, "striptags"),
        ("{{ a|trim(a) }}", 1, "arguments"),
        ("{{ a.strip(a) }}", 1, "arguments"),
        ("{{ a.lstrip(a) }}", 1, "arguments"),
        ("{{ a.rstrip(a) }}", 1, "arguments"),
        ("{{ a is lower }}", 1, "lower"),
        ("{{ a is not upper }}", 1, "upper"),
        ("{% if not a is lower %}{% endif %}", 1, "lower"),
        ("{{ a|select('lower') }}", 1, "text"),
        ("{{ a|reject(b) }}", 1, "text"),
        ("{{ a|selectattr('b', 'upper') }}", 1, "text"),
        ("{{ a|rejectattr('b', c) }}", 1, "text"),
        ("{{ a|select(*b) }}", 1, "text"),
        ("{{ a|select(('lower')) }}", 1, "text"),
        ("{{ namespace(a=1) }}", 1, "namespace"),
        ("{{ debug() }}", 1, "debug"),
        ("{{ '{:>100000000}'.format(1) }}", 1, "format"),
        ("{{ a['format'](1) }}", 1, "called"),
        ("{{ a()() }}", 1, "called"),
        ("\n\n{{ a", 3, "end"),
        ("{% if a }}", 1, "closes"),
        ("{{ (a] }}", 1, "closes"),
        ("{{ 'a }}", 1, "end"),
        ("{# a", 1, "comment"),
        ("{% raw %}{{ a", 1, "raw"),
        ("{{ " + "-" * MAX_TAG + "1 }}", 1, "characters"),
        ("{{ " + "a ~ " * MAX_TAG + "a }}", 1, "characters"),
        ("{% if a %}" + "{% elif a %}" * (MAX_ELIFS + 1) + "{% endif %}", 1, "elif"),
        ("{{a}}" * (MAX_TOKENS // 2 + 1), 1, "words"),
        ("{##}" * (MAX_TOKENS + 1), 1, "words"),
        ("{{ " + "a~" * (MAX_TAG_TOKENS // 2) + "a }}", 1, "words"),
        ("{{ a.replace(b, '') }}", 1, "looks for"),
        ("{{ a|replace(b, '') }}", 1, "looks for"),
        ("{{ a|replace('x' ~ b, '') }}", 1, "looks for"),
        ("{{ a|replace('x'.y, '') }}", 1, "looks for"),
        ("{{ a.split(b) }}", 1, "looks for"),
        ("{{ a|split(b) }}", 1, "looks for"),
        ("{{ a|split(sep=b) }}", 1, "looks for"),
        ("{{ a|sum(attribute=b) }}", 1, "attribute"),
        ("{{ a|sum(b) }}", 1, "looks at"),
        ("{{ a|sum(start=[]) }}", 1, "alone"),
        ("{{ a|sum('b', []) }}", 1, "alone"),
        ("{{ a|sum(attribute='b', start=[]) }}", 1, "alone"),
        ("{{ a|sort(reverse=true, attribute=b) }}", 1, "attribute"),
        ("{{ a|unique(attribute='" + "b" * 100 + "') }}", 1, "attribute"),
        ("{{ a|selectattr(attribute) }}", 1, "looks at"),
        ("{{ a|rejectattr(b) }}", 1, "looks at"),
    ],
)
def test_what_is_not_taken_is_named(source, line, word):
    """With its line and a word of what to do."""
    with pytest.raises(Unfit, match=word.replace("*", r"\*").replace("+", r"\+")) as refused:
        check(source)
    assert refused.value.line == line
