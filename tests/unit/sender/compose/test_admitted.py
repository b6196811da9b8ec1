"""What the gateway admits, a node can compose: else mail that was promised would be dead on arrival."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.admission.addresses import Unsound
from gateway.admission.addresses import parse as admit
from gateway.admission.headers import name_fault
from mailgate.mail import Address, Header

OCTETS = 'abc.@"\\ <>(),:;[]-+üß用\u0301é\x7f\t'


@settings(max_examples=500)
@given(st.one_of(st.text(OCTETS, max_size=30), st.builds("{}@{}".format, st.text(OCTETS, max_size=12), st.text("ab.-ü用", max_size=12))))
def test_an_admitted_address_can_stand_in_a_header(job, parse, email):
    """In the form that admission gives it, with the flag that admission sets."""
    try:
        mailbox = admit(email)
    except Unsound:
        return
    mail = parse(job(to=(Address(mailbox.email, "Name"),), smtputf8=mailbox.utf8))
    assert len(mail["to"].addresses) == 1


@settings(max_examples=500)
@given(
    st.one_of(
        st.text(max_size=20), st.sampled_from(["From", "Sender", "Content-Language", "Bcc", "X-A", "List-Unsubscribe", "x" * 76, "x" * 77])
    )
)
def test_an_admitted_header_name_can_be_written(job, parse, name):
    """The rules are the gateway's; the node's are no stricter."""
    if not name_fault(name):
        parse(job(headers=(Header(name, "value"),)))
