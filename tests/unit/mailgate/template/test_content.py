"""Templates render as their authors mean, need what they need, and end, whatever they say."""

from itertools import chain, repeat

import pytest
from minijinja import Environment

from mailgate.mail import Parts
from mailgate.template import content
from mailgate.template.content import MAX_TEMPLATE, TIMES, Templates, TooSlow, Unrenderable
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
    with pytest.raises(Unrenderable, match=r"too (much|long)"):
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


NESTED = [[1] * 4900]
LOOP = "{% for i in range(9999) %}"
WORDS = ["Ä" * 6000] * 5
OWN = "{% set big %}" + "ab" * 240_000 + "{% endset %}" + LOOP
SLOW_ONES = [
    LOOP + "{% if a == b %}{% endif %}{% endfor %}",
    LOOP + "{% if 0 %}{% elif a != b or a == c %}{% endif %}{% endfor %}",
    LOOP + "{{ 'x' if a < b }}{% endfor %}",
    LOOP + "{{ a == b }}{{- a == b }}{% endfor %}",
    LOOP + "{% set x = a == b %}{%- set x = a is eq b %}{% endfor %}",
    "{% for i in range(9999) if a == b %}{% endfor %}",
    LOOP + "{% if a is eq b and a is not ne b and not a is lt(b) %}{% endif %}{% endfor %}",
    LOOP + "{% if a|select('eq', c) %}{% endif %}{% endfor %}",
    LOOP + "{% if a in 'x' or a is in 'x' %}{% endif %}{% endfor %}",
    LOOP + "{% if words|sort or words|max or words|unique %}{% endif %}{% endfor %}",
    LOOP + "{% if '%.0s'|format(a) %}{% endif %}{% endfor %}",
    OWN + "{% if big[479999] is defined %}{% endif %}{% endfor %}",
    OWN + "{% for c in big %}{% break %}{% endfor %}{% endfor %}",
]


def late(monkeypatch):
    """Time is up when the first part has begun, at the first look at the clock."""
    monkeypatch.setattr(content.time, "perf_counter", chain([0.0, 0.0], repeat(100.0)).__next__)
    monkeypatch.setattr(content.time, "thread_time", chain([0.0], repeat(100.0)).__next__)


@pytest.mark.parametrize("source", SLOW_ONES)
def test_what_fuel_does_not_measure_meets_the_clock(source, monkeypatch):
    """A tenth of a second of each, and more, was taken before fuel ended; a clock that is up ends it at its first step."""
    variables = {"a": NESTED, "b": NESTED, "c": NESTED[0], "words": WORDS}
    templates = Templates(Parts(text=source.replace("range(9999)", "range(1)")))
    late(monkeypatch)
    with pytest.raises(TooSlow, match="too long"):
        templates.render(variables)


@pytest.mark.parametrize("source", SLOW_ONES)
def test_who_is_quick_is_not_stopped(source, monkeypatch):
    """The clock alone decides, and what it looks at changes nothing else."""
    monkeypatch.setattr(content, "SLOW", 1000.0)
    once = source.replace("range(9999)", "range(2)")
    plain = Environment(undefined_behavior="strict")
    variables = {"a": NESTED, "b": NESTED, "c": NESTED[0], "words": WORDS}
    assert text(once, **variables) == plain.render_str(once, **variables)


def test_a_template_that_is_slow_again_is_not_rendered_any_more(monkeypatch):
    """Not with other variables either, while it is among those that are kept compiled."""
    templates = Templates(Parts(text="{% if a == b %}x{% endif %}"))
    for _ in range(TIMES):
        assert templates.render({"a": 1, "b": 2}).text == ""
        late(monkeypatch)
        with pytest.raises(TooSlow):
            templates.render({"a": 1, "b": 1})
        monkeypatch.undo()
    with pytest.raises(TooSlow, match="too long"):
        templates.render({"a": 1, "b": 1})


def test_what_is_late_after_one_part_does_not_begin_the_next(monkeypatch):
    """Three parts have one time."""
    templates = Templates(Parts("{{ a }}", "{{ a }}", "{{ a == a }}"))
    late(monkeypatch)
    with pytest.raises(TooSlow) as refused:
        templates.render({"a": 1})
    assert refused.value.field == "text"


def test_who_waits_for_the_processor_is_not_slow(monkeypatch):
    """Time that others had does not count."""
    monkeypatch.setattr(content.time, "perf_counter", iter(range(10**6)).__next__)
    assert text("{% for i in range(3) %}{{ i == loop.index0 }} {% endfor %}") == "True True True "


def test_an_invoice_of_a_thousand_lines():
    """What is compared and sorted in loops that people write fits."""
    lines = [{"sku": f"A{number}", "title": f"Thing <{number}>", "price": 12.5} for number in range(1000)]
    source = (
        "{% for line in lines|sort(attribute='sku') %}{% if line.sku == gift %}gift{% elif line.price > 10 %}dear{% endif %}"
        "{{ line.title }} {{ line.price|round(2) }}{% if not loop.last %}, {% endif %}{% endfor %}"
    )
    parts = Templates(Parts("Hi", source, f"<p>{source}</p>" + "<p>words</p>" * 8000)).render({"lines": lines, "gift": "A7"})
    assert parts.text.count("gift") == 1
    assert parts.text.count("dear") == 999
    assert "gift" + "Thing &lt;7&gt; 12.5" in parts.html


@pytest.mark.parametrize(
    ("source", "kind", "line"),
    [
        ("\n{{ xs[0].y }}", "needed", 2),
        ("\n\n{{ xs|round }}", "round", 3),
        ("\n{% for a in range(99999) %}{{ xs }}{% endfor %}", "much", 2),
    ],
)
def test_mistakes_beside_nested_variables_have_their_line(source, kind, line):
    """Though the part is compiled once, and what stands before it for each mail."""
    with pytest.raises(Unrenderable, match=kind) as refused:
        text(source, xs=[{"a": 1}])
    assert refused.value.line == line


EVIL = "<i>\"'&"


@pytest.mark.parametrize(
    "source",
    [
        "{{ x }}{{ m.k }}{{ xs|first }}{{ rows|map(attribute='a')|join }}",
        "{{ '<b>'|safe ~ x }}{{ x ~ '<b>'|safe }}",
        "{{ xs|join('<b>'|safe) }}{{ ('a,b'|safe).split(',')|join(x) }}{{ ['a']|join(x) }}",
        "{{ 'a'|safe|replace('a', x) }}{{ ('a'|safe).replace('a', x) }}",
        "{{ x|e|replace('&lt;', '<') }}{{ (x|e).replace('&lt;', '<') }}",
        "{% set s %}{{ x }}{% endset %}{{ s }}{{ s ~ x }}{{ s|replace('&lt;', '<') }}",
        "{% set s %}a%s{% endset %}{{ s|format(x) }}{{ s|replace('a', x) }}{{ s[0:1] ~ x }}",
        "{{ '<b>%s</b>'|safe|format(x) }}{{ '%s%s'|format('<b>'|safe, x) }}{{ '%(a)s'|safe|format(a=x) }}",
        "{{ none|default(x, true) }}{{ q|default(x) }}{{ 5|pluralize('', x) }}{{ 'x'|int(x) }}",
        "{% for c in x %}{{ c }}{% endfor %}{{ x|list|join }}{{ x|reverse }}",
        "{% for k, v in m|items %}{{ k }}{{ v }}{% endfor %}{{ m|dictsort }}{{ m.items() }}{{ xs }}{{ m }}",
        "{% for i in range(1) %}{{ loop.cycle(x) }}{% endfor %}{{ x or '' }}{{ x if x }}",
        "{{ x|trim }}{{ x|title }}{{ x|indent(1, true) }}{{ x|lines|join(x) }}{{ x|truncate(length=9) }}{{ x|string }}{{ x.title() }}",
        "{{ xs|max }}{{ xs|sort|last }}{{ xs|unique|join }}{{ xs|reverse|first }}{{ x|tojson ~ x }}",
        "<a href='{{ x }}' title=\"{{ x ~ x }}\">",
    ],
)
def test_no_way_around_escaping(source):
    """Of all that writes a value but `safe`: none of its own marks comes out, whatever it was joined with or made of."""
    made = Templates(Parts(html=source)).render({"x": EVIL, "xs": [EVIL, EVIL], "m": {EVIL: EVIL, "k": EVIL}, "rows": [{"a": EVIL}]}).html
    assert "<i" not in made.lower()
    assert "&lt;" in made
    assert "&#x27;&amp;" in made or "&amp;" in made


def test_variables_are_not_changed():
    """What one mail does to them no other sees."""
    variables = {"xs": [1, 2], "o": {"a": [3]}}
    with pytest.raises(Unrenderable):
        text("{{ xs.append(9) }}", **variables)
    assert text("{% set xs = 1 %}{{ xs }}{{ o.a|reverse|list }}", **variables) == "1[3]"
    assert variables == {"xs": [1, 2], "o": {"a": [3]}}
