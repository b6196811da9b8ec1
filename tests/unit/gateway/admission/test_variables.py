"""Mails with variables: what can be known wrong is refused when the mail comes, with the caller's own names."""

from dataclasses import replace

import pytest

from gateway.admission.drafting import Call, Drafter
from gateway.ledger.port import Accepted
from mailgate.errors import Invalid, TooLarge
from mailgate.mail import Address, BatchEntry, Mail, Parts, Raw
from mailgate.rpc.jobs import decode_body, encode_content, encode_envelope

MAIL = Mail(Address("news@example.com"), to=(Address("a@example.net"),), content=Parts("Hi {{ name }}", "Dear {{ name }}", ""))
SHARED = replace(MAIL, to=())


@pytest.fixture
def drafter(routes, limits):
    """With the real encoders."""
    return Drafter(routes, limits, encode_envelope, encode_content)


@pytest.fixture
def call(tenant):
    """A call of the tenant's."""
    return Call(tenant, 1_700_000_000_000, bytes(range(250)) * 5)


def entry(variables=b""):
    return BatchEntry((Address("a@example.net"),), variables=variables)


def violations(refused):
    return {violation.field: violation.description for violation in refused.violations}


def refuse(drafter, call, mail):
    with pytest.raises(Invalid) as refused:
        drafter.mail(call, mail)
    return violations(refused.value)


def body(accepted):
    return decode_body(accepted.jobs[0].envelope + accepted.jobs[0].content)


def test_without_variables_nothing_is_a_template(drafter, call):
    """Braces are braces."""
    assert not body(drafter.mail(call, MAIL)).content.template
    _, (accepted,) = drafter.batch(call, SHARED, [entry()])
    assert not body(accepted).content.template
    assert drafter.mail(call, replace(MAIL, content=Parts("{{", "{% macro %}")))


def test_variables_travel_with_the_job(drafter, call):
    """The shared ones in the content, the entry's in its envelope."""
    one = body(drafter.mail(call, replace(MAIL, variables=b'{"name": "Ann"}')))
    assert (one.content.template, one.content.variables, one.envelope.variables) == (True, b'{"name": "Ann"}', b"")
    _, (first, second) = drafter.batch(call, SHARED, [entry(b'{"name": "Ann"}'), entry(b'{"name": "Bo"}')])
    assert isinstance(first, Accepted)
    assert isinstance(second, Accepted)
    assert first.jobs[0].content == second.jobs[0].content
    assert (body(second).content.template, body(second).content.variables, body(second).envelope.variables) == (
        True,
        b"",
        b'{"name": "Bo"}',
    )


def test_a_missing_variable_is_refused_alone(drafter, call):
    """Naming entry and variable; the others are taken."""
    entries = [entry(b'{"name": "Ann"}'), entry(b'{"nam": "Bo"}'), entry(), entry(b'{"name": "Cy"}')]
    _, drafted = drafter.batch(call, SHARED, entries)
    assert [isinstance(each, Accepted) for each in drafted] == [True, False, False, True]
    text = "the template needs name, which neither the entry nor shared gives (subject, line 1)"
    assert violations(drafted[1]) == {"entries[1].variables": text}
    assert violations(drafted[2]) == {"entries[2].variables": text}
    _, drafted = drafter.batch(call, replace(SHARED, variables=b'{"name": "all"}'), entries)
    assert all(isinstance(each, Accepted) for each in drafted)
    assert "which the mail does not give" in refuse(drafter, call, replace(MAIL, variables=b"{}"))["mail.variables"]


@pytest.mark.parametrize(
    "text", ["{{ b|default('-') }}", "{% if b is defined %}{{ b }}{% endif %}x", "{% for a in b|default([]) %}{{ a.c }}{% endfor %}x"]
)
def test_what_a_template_does_without_is_not_missing(drafter, call, text):
    """Rendering is the judge."""
    shared = replace(SHARED, content=Parts("s", text))
    _, drafted = drafter.batch(call, shared, [entry(b'{"b": []}'), entry(b"{}"), entry()])
    assert all(isinstance(each, Accepted) for each in drafted)


@pytest.mark.parametrize(
    ("own", "word"),
    [
        (b"{", "JSON"),
        (b"\xff", "UTF-8"),
        (b"[]", "object"),
        (b'{"a": NaN}', "NaN"),
        (b'{"name": "a\\r\\nBcc: x@y.example"}', "header field"),
    ],
)
def test_an_entry_of_bad_variables_is_refused_alone(drafter, call, own, word):
    """The first one and any other."""
    for entries in ([entry(own), entry(b'{"name": "Ann"}')], [entry(b'{"name": "Ann"}'), entry(own)]):
        _, drafted = drafter.batch(call, SHARED, entries)
        bad = 0 if entries[0].variables == own else 1
        assert isinstance(drafted[1 - bad], Accepted)
        assert word in violations(drafted[bad])[f"entries[{bad}].variables"]


def test_a_variable_that_the_subject_sets_anew_is_looked_at(drafter, call):
    """The engine counts it among what the template declares."""
    shared = replace(SHARED, content=Parts("Hi {% set name = name|title %}{{ name }}", "x"))
    _, (_, second, third) = drafter.batch(
        call, shared, [entry(b'{"name": "Ann"}'), entry(b'{"name": "Ann\\r\\nBcc: b@example.net"}'), entry(b'{"n": 1}')]
    )
    assert "header field" in violations(second)["entries[1].variables"]
    assert "needs name" in violations(third)["entries[2].variables"]


def test_a_subject_that_drops_its_controls_is_taken(drafter, call):
    """What the template does with a value counts."""
    shared = replace(SHARED, content=Parts("Hi {{ name|trim }}", "x"))
    _, drafted = drafter.batch(call, shared, [entry(b'{"name": "Ann"}'), entry(b'{"name": "Bo\\n"}')])
    assert all(isinstance(each, Accepted) for each in drafted)


@pytest.mark.parametrize(
    ("content", "field", "word"),
    [
        (Parts("{{ a", "x"), "shared.parts.subject", "line 1"),
        (Parts("s", "a\n{% if a %}"), "shared.parts.text", "line 2"),
        (Parts("s", "", "a\n\n{{ a|nope }}"), "shared.parts.html", "line 3: the filter `nope`"),
        (Parts("s", "{% include '/etc/passwd' %}"), "shared.parts.text", "include"),
        (Raw(b"From: news@example.com\r\n\r\n{{ a }}"), "shared.variables", "raw"),
    ],
)
def test_a_wrong_template_is_refused_once(drafter, call, content, field, word):
    """The batch as a whole, with field and line."""
    with pytest.raises(Invalid) as refused:
        drafter.batch(call, replace(SHARED, content=content), [entry(b'{"a": 1}')] * 3)
    assert word in violations(refused.value)[field]


def test_bombs_and_type_errors_are_refused_at_the_door(drafter, call):
    """By the mail that is rendered there."""
    for text in ("{% for a in range(100000) %}{{ name }}{% endfor %}", "{{ name|round }}", "{{ name.x.y }}"):
        assert "mail.variables" in refuse(drafter, call, replace(MAIL, content=Parts("s", text), variables=b'{"name": "x"}'))
    assert (
        "nothing to read"
        in refuse(drafter, call, replace(MAIL, content=Parts("s", "{{ name }}"), variables=b'{"name": ""}'))["mail.variables"]
    )


def test_variables_have_a_size(drafter, call, limits):
    """The shared ones and the entry's together."""
    large = b'{"name": "' + b"x" * (limits.max_variables_bytes // 2) + b'"}'
    with pytest.raises(TooLarge):
        drafter.mail(call, replace(MAIL, content=Parts("s", "{{ name }}"), variables=large + b" " * limits.max_variables_bytes))
    _, (refused, taken) = drafter.batch(call, replace(SHARED, content=Parts("s", "{{ name }}"), variables=large), [entry(large), entry()])
    assert isinstance(refused, TooLarge)
    assert isinstance(taken, Accepted)
