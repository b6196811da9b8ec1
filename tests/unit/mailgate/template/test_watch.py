"""Where a template looks at the clock, and where it need not."""

import pytest

from mailgate.template.syntax import check
from mailgate.template.tags import Unfit
from mailgate.template.watch import MAX_STEPS, watched

TICK = "{% if 0 is timely %}{% endif %}"


@pytest.mark.parametrize(
    "source",
    [
        "no tag",
        "Dear {{ name }}, {{ order.lines|length }} {{ a|default('-')|upper ~ 'x' }} {# == #} {% raw %}{{ a == b }}{% endraw %}",
        "{% if a and not b or c is defined %}{{ n + 1 }}{% elif d is not none %}{{ e|round(2) }}{% else %}{% endif %}",
        "{% set x %}{{ name|e }}{% endset %}{{ x|tojson }}",
        "{% if n > 1 or country != 'AT' and a.b >= 0.5 %}{% endif %}",
    ],
)
def test_what_fuel_measures_is_left_alone(source):
    """Mails of names and ifs cost nothing more: it is the same text."""
    assert watched(source, check(source)) is source


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{{ a == b }}", TICK + "{{ a == b }}"),
        ("x {{- a[b] }}", "x {%- if 0 is timely %}{% endif %}{{- a[b] }}"),
        ("{% if a == b %}{% elif a in c %}{% endif %}", "{% if 0 is timely and  a == b %}{% elif 0 is timely and  a in c %}{% endif %}"),
        ("{{ a.0 == b }}{{ 'x' == b }}", TICK + "{{ a.0 == b }}" + TICK + "{{ 'x' == b }}"),
        ("{{ 'x'[a] }}{{ a < -1 }}", TICK + "{{ 'x'[a] }}" + TICK + "{{ a < -1 }}"),
        ("{%if(a)==b%}{%endif%}", "{%if 0 is timely and (a)==b%}{%endif%}"),
        ("{% for a in b if a.if == c %}{% endfor %}", TICK + "{% for a in b if 0 is timely and  a.if == c %}{% endfor %}"),
        ("{{ a if b < c else d }}", TICK + "{{ a if 0 is timely and  b < c else d }}"),
        ("{% set x = xs|sort %}", TICK + "{% set x = xs|sort %}"),
        ("{{ a.split() }}{{ a is odd }}{{ a is not eq(b) }}", TICK + "{{ a.split() }}{{ a is odd }}" + TICK + "{{ a is not eq(b) }}"),
    ],
)
def test_where_it_looks(source, expected):
    """Before a tag, or a condition that is evaluated again; spaces are cut as they were."""
    assert watched(source, check(source)) == expected


@pytest.mark.parametrize("name", ["if", "elif", "{{", "for"])
def test_a_condition_means_what_it_meant(name):
    """`and` binds closer than `or`, and less than `not` and comparisons; a choice between two stays one."""
    made = {
        "if": "{% if a or b == c %}",
        "elif": "{% if x %}{% elif not a == b or b %}",
        "{{": "{{ 1 if not a == b else 2 if b == c else 3 }}",
        "for": "{% for i in xs if not i == a or b %}{% endfor %}",
    }[name]
    found = watched(made, check(made))
    assert found.count("0 is timely and ") == made.count(" if ") + made.count("elif") - (name == "elif")
    assert found.count("\n") == made.count("\n")


@pytest.mark.parametrize("source", ["\n{{ " + "a == " * (MAX_STEPS + 1) + "b }}", "\n{{ '%s'|format(" + "a, " * MAX_STEPS + "a) }}"])
def test_a_tag_of_too_many_steps_is_refused(source):
    """Nothing looks at the clock inside it."""
    with pytest.raises(Unfit, match="comparisons") as refused:
        watched(source, check(source))
    assert refused.value.line == 2
