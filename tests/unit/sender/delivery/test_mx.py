"""From DNS answers to hosts: each case of RFC 5321 5.1 and RFC 7505, and what a stranger's DNS must not reach."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailgate.verdict import Outcome
from sender.delivery.mx import MOST_ADDRESSES, MOST_HOSTS, Answer, Exchange, Got, Here, Host, Nowhere, destination, exchanges, literal
from sender.delivery.public import is_public

HERE = Here(frozenset({"me.example"}), b"salt", lambda address: address == "9.9.9.1")
NOTHING = Answer(Got.NOTHING)
FAILED = Answer(Got.FAILED, why="SERVFAIL")


def mx(*pairs: tuple[int, str]) -> Answer:
    return Answer(Got.FOUND, exchanges=tuple(Exchange(*pair) for pair in pairs))


def at(*addresses: str) -> list[Answer]:
    return [Answer(Got.FOUND, addresses=addresses), NOTHING]


def said(found: object) -> tuple[Outcome, str, str]:
    assert isinstance(found, Nowhere), found
    return found.outcome, found.reply.enhanced_code, found.reply.bounce_class


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        (FAILED, (Outcome.DEFERRED, "4.4.3", "dns")),
        (Answer(Got.NO_NAME), (Outcome.BOUNCED, "5.1.2", "unknown_domain")),
        (mx((0, "")), (Outcome.BOUNCED, "5.1.10", "unknown_domain")),
        (mx((10, "me.example"), (10, "a"), (20, "b")), (Outcome.BOUNCED, "5.4.6", "dns")),
    ],
)
def test_what_MX_alone_decides(answer: Answer, verdict: tuple[Outcome, str, str]):
    """A failure defers; no such domain, a null MX, and a list that we head bounce."""
    assert said(exchanges("d.example", answer, HERE)) == verdict


def test_a_domain_without_MX_is_its_own_host():
    """The implicit MX."""
    assert exchanges("d.example", NOTHING, HERE) == (Exchange(0, "d.example"),)


def test_a_root_among_others_is_no_null_MX():
    """RFC 7505 3: a null MX stands alone; beside others it is a slip, and names nobody."""
    assert exchanges("d.example", mx((0, ""), (10, "a")), HERE) == (Exchange(10, "a"),)


def test_better_preferences_come_first_and_a_host_once():
    """At its best preference."""
    listed = exchanges("d.example", mx((20, "b"), (10, "a"), (30, "a"), (5, "c")), HERE)
    assert listed == (Exchange(5, "c"), Exchange(10, "a"), Exchange(20, "b"))


def test_equal_hosts_are_shuffled_by_the_salt_and_stay_so():
    """Each node has its own order, and keeps it whatever order DNS gives: else a renewed look-up would cost it its connections."""
    pairs = [(10, name) for name in "abcdef"]
    orders = {exchanges("d.example", mx(*pairs), Here(salt=bytes([salt]))) for salt in range(20)}
    assert len(orders) > 10
    assert all(exchanges("d.example", mx(*pairs[::-1]), Here(salt=bytes([salt]))) in orders for salt in range(20))


def test_only_what_is_better_than_this_node_is_left():
    """By name before addresses are known, by address after: who is equal or worse would send the mail back."""
    listed = exchanges("d.example", mx((10, "a"), (20, "me.example"), (20, "b"), (30, "c")), HERE)
    assert listed == (Exchange(10, "a"),)
    by_name = [Exchange(10, "a"), Exchange(20, "b"), Exchange(20, "c")]
    found = {"a": at("8.8.8.8"), "b": at("1.1.1.1"), "c": at("1.1.1.2", "9.9.9.1")}
    assert destination("d.example", by_name, found, HERE) == (Host("a", 10, ("8.8.8.8",)),)
    assert said(destination("d.example", by_name[1:], found, HERE)) == (Outcome.BOUNCED, "5.4.6", "dns")


def test_hosts_and_addresses_have_an_end():
    """A thousand MX of a thousand addresses cost no more than ten of eight."""
    listed = exchanges("d.example", mx(*[(number, f"h{number}") for number in range(1000)]), HERE)
    assert listed == tuple(Exchange(number, f"h{number}") for number in range(MOST_HOSTS))
    found = {f"h{number}": at(*[f"8.8.{number}.{last}" for last in range(100)]) for number in range(MOST_HOSTS)}
    hosts = destination("d.example", listed, found, HERE)
    assert [len(host.addresses) for host in hosts] == [MOST_ADDRESSES] * MOST_HOSTS


def test_refused_addresses_are_left_out_and_hosts_with_their_last():
    """Whatever else the host has is dialled."""
    listed = [Exchange(10, "a"), Exchange(20, "b")]
    found = {"a": at("127.0.0.1", "10.0.0.1"), "b": [Answer(Got.FOUND, addresses=("192.168.0.1", "8.8.8.8")), at("::ffff:127.0.0.1")[0]]}
    assert destination("d.example", listed, found, HERE) == (Host("b", 20, ("8.8.8.8",)),)
    assert said(destination("d.example", listed[:1], found, HERE)) == (Outcome.BOUNCED, "5.4.4", "dns")
    open_here = Here(HERE.names, is_own=HERE.is_own, private=True)
    assert destination("d.example", listed[:1], found, open_here) == (Host("a", 10, ("127.0.0.1", "10.0.0.1")),)


@pytest.mark.parametrize(
    ("answers", "implicit", "verdict"),
    [
        ([NOTHING, NOTHING], True, (Outcome.BOUNCED, "5.1.2", "unknown_domain")),
        ([Answer(Got.NO_NAME), NOTHING], False, (Outcome.BOUNCED, "5.4.4", "dns")),
        ([NOTHING, FAILED], True, (Outcome.DEFERRED, "4.4.3", "dns")),
        ([at("127.0.0.1")[0], FAILED], False, (Outcome.DEFERRED, "4.4.3", "dns")),
    ],
)
def test_no_address_bounces_unless_nobody_knows(answers: list[Answer], implicit: bool, verdict: tuple[Outcome, str, str]):
    """Half an answer is no answer: the other half may be the address that is wanted."""
    assert said(destination("d.example", [Exchange(0, "h")], {"h": answers}, HERE, implicit=implicit)) == verdict


def test_a_host_that_cannot_be_looked_up_holds_up_no_other():
    """The next best is used meanwhile."""
    found = {"a": [FAILED, FAILED], "b": at("8.8.8.8")}
    assert destination("d.example", [Exchange(1, "a"), Exchange(2, "b")], found, HERE) == (Host("b", 2, ("8.8.8.8",)),)


@pytest.mark.parametrize(
    ("domain", "found"),
    [
        ("d.example", None),
        ("[8.8.8.8]", (Host("8.8.8.8", 0, ("8.8.8.8",)),)),
        ("[IPv6:2606:4700::1]", (Host("2606:4700::1", 0, ("2606:4700::1",)),)),
    ],
)
def test_a_literal_is_its_own_host(domain: str, found: object):
    """By the same rule as an MX."""
    assert literal(domain, HERE) == found


@pytest.mark.parametrize(
    ("domain", "code"), [("[127.0.0.1]", "5.4.4"), ("[IPv6:::1]", "5.4.4"), ("[9.9.9.1]", "5.4.4"), ("[x]", "5.1.2"), ("[", "5.1.2")]
)
def test_a_literal_of_a_refused_address_bounces(domain: str, code: str):
    """And one that is no address."""
    assert said(literal(domain, HERE))[1] == code


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.255.255.254", "10.1.1.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "169.254.169.254", "0.0.0.0", "0.1.2.3"),
        *("224.0.0.1", "240.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1", "203.0.113.1", "08.8.8.8", "", "x", "8.8.8.8 "),
        *("::1", "::", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00::1", "ff02::1"),
        *("2001:db8::1", "2002:7f00:1::", "2002:a00:1::1", "64:ff9b::7f00:1", "64:ff9b:1::808:808", "2001::1", "fec0::1", "100::1"),
    ],
)
def test_mail_does_not_go_to_an_address_that_is_not_public(address: str):
    """Also where IPv6 has it inside, and in any way of writing it."""
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "2002:808:808::1", "64:ff9b::808:808"])
def test_mail_goes_to_a_public_address(address: str):
    """NAT64 and 6to4 carry a public one as well as a private one."""
    assert is_public(address)


NAMES = st.sampled_from(["", "a", "b", "me.example", "c"])
ADDRESSES = st.lists(st.sampled_from(["8.8.8.8", "1.1.1.1", "127.0.0.1", "9.9.9.1", "::1", "2606:4700::1"]), max_size=4)
ANSWERS = st.builds(Answer, st.sampled_from(Got), addresses=ADDRESSES.map(tuple), why=st.just("x"))


@given(st.lists(st.tuples(st.integers(0, 3), NAMES), max_size=8), st.dictionaries(NAMES, st.lists(ANSWERS, max_size=2)))
def test_whatever_DNS_says_no_refused_address_is_dialled_and_nobody_as_good_as_we(pairs, found):
    """And there is always a verdict, or a host with an address, in order."""
    listed = exchanges("d.example", Answer(Got.FOUND, exchanges=tuple(Exchange(*pair) for pair in pairs)), HERE)
    if isinstance(listed, Nowhere):
        return
    hosts = destination("d.example", listed, found, HERE)
    if isinstance(hosts, Nowhere):
        assert hosts.outcome is not Outcome.DELIVERED
        return
    ours = [preference for preference, name in pairs if name == "me.example"]
    assert hosts
    assert all(host.addresses and set(host.addresses) <= {"8.8.8.8", "1.1.1.1", "2606:4700::1"} for host in hosts)
    assert all(host.preference < min(ours, default=9) for host in hosts)
    assert [host.preference for host in hosts] == sorted(host.preference for host in hosts)
