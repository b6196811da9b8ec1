"""Templates render as their authors mean, need what they need, and end, whatever they say."""

from contextlib import suppress

import pytest

from mailgate.mail import Parts
from mailgate.template.content import MAX_TEMPLATE, Templates, Unrenderable
from mailgate.template.variables import read


def text(source, /, **variables):
    return Templates(Parts(text=source)).render(variables).text


def test_html_alone_is_escaped():
    """Subject and text are not HTML."""
    parts = Templates(Parts("{{ a }}", "{{ a }}", "<b>{{ a }}</b>{{ a|safe }}")).render({"a": "<&\"'"})
    assert (parts.subject, parts.text) == ("<&\"'", "<&\"'")
    assert parts.html == "<b>&lt;&amp;&quot;&#x27;</b><&\"'"


@pytest.mark.parametrize("source", ["a\n", "a\n\n", "\r\n a \r\n", "{ a } }}", "", "%}"])
def test_text_stands_as_it_is(source):
    """Line ends and spaces at its ends too, with a tag or without."""
    assert text(source) == source
    assert text(source + "{{ a }}", a="x") == source + "x"


def test_values_are_shown_as_they_are():
    """Integers exactly; nested ones by their names; the last of a loop."""
    variables = read(b'{"n": 12345678901234567890, "o": {"items": [{"s": "x"}, {"s": "y"}], "name": "in"}, "items": ["p", "q"], "t": true}')
    assert (
        text("{{ n }} {{ o.name }} {{ o.items[1].s }} {{ items|join('-') }} {{ t }}", **variables) == "12345678901234567890 in y p-q True"
    )
    assert text("{% for i in o.items %}{{ i.s }}{{ ',' if not loop.last }}{% endfor %}", **variables) == "x,y"


@pytest.mark.parametrize("name", ["clear", "copy", "fromkeys", "get", "items", "keys", "pop", "popitem", "setdefault", "update", "values"])
def test_a_name_that_is_a_method_of_dict_is_a_name(name):
    """Absent it is absent, and never a method of Python's."""
    assert text(f"{{{{ {name}|default('none') }}}}{{{{ {name} is defined }}}}") == "noneFalse"
    assert text(f"{{{{ {name} }}}}", **{name: "given"}) == "given"
    with pytest.raises(Unrenderable) as refused:
        text(f"{{{{ {name} }}}}")
    assert refused.value.missing == (name,)


@pytest.mark.parametrize("name", ["self", "source", "name", "template_name", "py", "ctx", "slf"])
def test_any_member_can_be_given(name):
    """None is taken for a parameter of the engine's."""
    assert text("{{ a }}", **{name: 1, "a": 2}) == "2"


def test_names_that_no_template_can_say_harm_nothing():
    """They may be there."""
    variables = read(b'{"a b": [1], "in": [1], "loop": [1], "": {}, "%}{{": [1], "ok": [1]}')
    assert text("{{ ok[0] }} in loop %}{{ ok|length }}", **variables) == "1 in loop %}1"


@pytest.mark.parametrize(
    ("source", "variables", "missing"),
    [
        ("{{ a }}", {}, ("a",)),
        ("{{ a.b.c }}", {"a": {"b": {}}}, ("a.b.c",)),
        ("{{ a.b.c }}", {"a": {}}, ("a.b",)),
        ("{% if a %}{% endif %}", {}, ("a",)),
        ("{{ a ~ b }}", {"a": 1}, ("b",)),
        ("{% for x in xs %}{{ x.y }}{% endfor %}", {"xs": [{}]}, ()),
    ],
)
def test_what_is_missing_is_named(source, variables, missing):
    """As far as it can be."""
    with pytest.raises(Unrenderable) as refused:
        text(source, **variables)
    assert refused.value.missing == missing
    assert (refused.value.field, refused.value.line) == ("text", 1)


@pytest.mark.parametrize(
    "source", ["{{ a|default('x') }}", "{% if a is defined %}{{ a }}{% else %}x{% endif %}", "{{ 'x' if not b else a }}"]
)
def test_what_seems_missing_may_be_done_without(source):
    """`missing` is the suspicion, rendering the judge."""
    assert Templates(Parts(text=source)).missing({"b": False}) == ["a"]
    assert text(source, b=False) == "x"


@pytest.mark.parametrize(
    ("source", "line", "word"),
    [
        ("a\n{% if x %}", 2, "end of block"),
        ("a\n\n{{ x y }}", 3, "unexpected"),
        ("{% else %}", 1, "else"),
        ("\n{% set 1 = 2 %}", 2, "unexpected"),
        ("{{ " + "(" * 200 + ")" * 200 + "}}", 1, "recursion"),
        ("{% if a %}" * 500, 1, "recursion"),
        ("x" * (MAX_TEMPLATE + 1), 0, "at most"),
    ],
)
def test_a_mistake_of_syntax_is_told_with_its_line(source, line, word):
    """When it is compiled, not when it is rendered."""
    with pytest.raises(Unrenderable, match=word) as refused:
        Templates(Parts(html=source))
    assert (refused.value.field, refused.value.line) == ("html", line)


BIG = "x" * 60_000
BOMBS = [
    "{% for a in range(100000) %}{% for b in range(100000) %}{% for c in range(100000) %}{% endfor %}{% endfor %}{% endfor %}",
    "{% for a in range(100000) %}{{ big }}{% endfor %}",
    "{% set a = big %}" + "{% set a = a ~ a %}" * 50 + "{{ a|length }}",
    "{{ big|replace('x', big) }}",
    "{{ big|replace('', big) }}",
    "{{ big|list|join(big) }}",
    "{{ '%0100000000d'|format(1) }}",
    "{{ '%100000000s'|format('a') }}",
    "{{ '%s%s%s%s'|format(big, big, big, big)|list|join(big) }}",
    "{{ nl|indent(100000000) }}",
    "{% for a in range(100000) %}{{ big|urlencode }}{% endfor %}",
    "{% for a in range(100000) %}{% set x %}{{ big }}{% endset %}{% endfor %}",
    "{% for a in range(100000) %}{% if big == big ~ '' %}{% endif %}{% endfor %}",
    "{% for a in range(100000) %}{% if xs == ys %}{% endif %}{% endfor %}",
    "{% for a in range(100000) %}{% if xs|string %}{% endif %}{% endfor %}",
    "{{ range(100000)|list }}",
    "{% for a in range(100000) %}{{ xs|tojson }}{% endfor %}",
]


@pytest.mark.parametrize("source", BOMBS)
def test_bombs_run_out_of_fuel(source):
    """Soon, and before they fill the memory."""
    with pytest.raises(Unrenderable, match="too much"):
        text(source, big=BIG, nl="\n" * 1000, xs=[[0] * 2000], ys=[[0] * 2000])


@pytest.mark.parametrize(
    "source",
    [
        "{{ range(1000000000) }}",
        "{{ range(0, 1, 0) }}",
        "{{ 1 / 0 }}",
        "{{ 1 // 0 }}",
        "{{ 'a' - 1 }}",
        "{{ big.y.z }}",
        "{{ 1() }}",
        "{{ xs|round }}",
    ],
)
def test_what_cannot_be_done_is_an_error_of_ours(source):
    """And nothing else."""
    with pytest.raises(Unrenderable):
        text(source, big=BIG, xs=[1])


def test_a_large_template_has_the_fuel_for_its_own_text():
    """Text that stands there is no bomb."""
    assert len(text("x" * 900_000 + "{{ a }}", a="y")) == 900_001


@pytest.mark.parametrize("source", ["{% set a = a|default('x') %}", "{%- set a %}{{ a }}{% endset %}", "{% set b = a if a else 2 %}"])
def test_a_name_that_is_set_from_itself_is_needed(source):
    """The engine says that it is declared."""
    assert Templates(Parts(source, "x")).missing({}) == ["a"]


def test_a_template_that_is_slow_again_is_not_rendered_any_more():
    """Comparing lists is paid for by their number, not by their length."""
    templates = Templates(Parts(text="{% for i in range(2600) %}{% if a == b %}{% endif %}{% endfor %}"))
    nested = [[[1] * 20] * 10] * 10
    for _ in range(3):
        with suppress(Unrenderable):
            templates.render({"a": nested, "b": nested})
    with pytest.raises(Unrenderable, match="too much"):
        templates.render({"a": 1, "b": 1})


def test_variables_are_not_changed():
    """What one mail does to them no other sees."""
    variables = {"xs": [1, 2], "o": {"a": [3]}}
    with pytest.raises(Unrenderable):
        text("{{ xs.append(9) }}", **variables)
    assert text("{% set xs = 1 %}{{ xs }}{{ o.a|reverse|list }}", **variables) == "1[3]"
    assert variables == {"xs": [1, 2], "o": {"a": [3]}}
