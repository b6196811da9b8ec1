"""Routes by domain, and recipients shared out to jobs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.admission.addresses import parse
from gateway.admission.routing import MAX_REMEMBERED, Routed, Routes, share
from mailgate.route import Relay, Route

RELAYS = (Relay("127.0.0.1"),)
ONE, TWO, REST = Route("one", RELAYS, ("a.example", "*.b.example")), Route("two", RELAYS, ("x.b.example",)), Route("rest", RELAYS)


@pytest.mark.parametrize(
    ("domain", "route"),
    [
        ("a.example", "one"),
        ("c.a.example", "rest"),
        ("c.b.example", "one"),
        ("b.example", "rest"),
        ("x.b.example", "two"),
        ("d.c.b.example", "one"),
    ],
)
def test_exact_then_nearest_wildcard_then_the_rest(domain, route):
    """The same the second time, when it is remembered."""
    routes = Routes([REST, ONE, TWO])
    assert [routes.for_domain(domain).name for _ in range(2)] == [route, route]


def test_without_a_rest_some_mail_has_no_route():
    """The caller is told which routes there are."""
    routes = Routes([TWO, ONE])
    assert routes.for_domain("elsewhere.example") is None
    assert (routes.names, routes.named("one"), routes.named("x")) == ("one, two", ONE, None)


def test_memory_of_domains_is_bounded():
    """A caller with ever new domains cannot fill it."""
    routes = Routes([REST])
    for number in range(MAX_REMEMBERED + 10):
        routes.for_domain(f"{number}.example")
    assert len(routes._remembered) <= MAX_REMEMBERED


@given(st.lists(st.sampled_from([ONE, TWO, REST]), min_size=1, max_size=40), st.integers(1, 7))
def test_every_recipient_is_in_exactly_one_job(chosen, most):
    """Of its route, at most so many together, in rising order."""
    recipients = [Routed(parse(f"u{i}@a.example"), route) for i, route in enumerate(chosen)]
    shares = list(share(recipients, most))
    assert sorted(index for each in shares for index in each.indexes) == list(range(len(chosen)))
    for each in shares:
        assert 1 <= len(each.indexes) <= most
        assert list(each.indexes) == sorted(each.indexes)
        assert {recipients[index].route for index in each.indexes} == {each.route}
        assert each.site_key == each.route.name


DIRECT = Route("direct", (), mx=True)
SITES = {"a.example": "big", "b.example": "big"}


@given(
    st.lists(st.tuples(st.sampled_from([ONE, DIRECT]), st.sampled_from(["a.example", "b.example", "c.example"])), min_size=1, max_size=40)
)
def test_by_mx_a_job_is_of_one_domain(chosen):
    """Its key is the site's, where that is known; two domains of a site are two jobs all the same."""
    recipients = [Routed(parse(f"u{i}@{domain}"), route) for i, (route, domain) in enumerate(chosen)]
    shares = list(share(recipients, 7, SITES.get))
    assert sorted(index for each in shares for index in each.indexes) == list(range(len(chosen)))
    for each in shares:
        domains = {recipients[index].mailbox.domain for index in each.indexes}
        if each.route is DIRECT:
            (domain,) = domains
            assert each.site_key == f"direct/{SITES.get(domain, domain)}"
        else:
            assert each.site_key == "one"


def test_a_job_by_mx_of_one_recipient():
    """The shortest way, and the most usual."""
    (only,) = share([Routed(parse("u@c.example"), DIRECT)], 7)
    assert (only.site_key, only.indexes) == ("direct/c.example", (0,))
