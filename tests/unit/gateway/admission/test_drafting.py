"""From a caller's mail to what the ledger takes: every fault at once, with the caller's own names, and jobs that say what they must."""

from dataclasses import replace
from hashlib import sha256

import pytest

from gateway.admission.drafting import Call, Drafter
from gateway.admission.faults import MAX_REPORTED
from gateway.admission.limits import Limits
from gateway.admission.tenants import Tenant
from gateway.ledger.port import Accepted
from mailgate.errors import Invalid, SenderDomainForbidden, TooLarge
from mailgate.ids import job_id
from mailgate.mail import Address, Attachment, BatchEntry, Header, Lane, Mail, OnDoubt, Parts, Raw
from mailgate.rpc.jobs import decode_body, encode_content, encode_envelope

NOW = 1_700_000_000_000
MAIL = Mail(Address("news@example.com", "News"), to=(Address("a@example.net"),), content=Parts("Hi", "text"))


@pytest.fixture
def drafter(routes, limits):
    """With the real encoders."""
    return Drafter(routes, limits, encode_envelope, encode_content)


@pytest.fixture
def call(tenant):
    """A call of the tenant's."""
    return Call(tenant, NOW, bytes(range(250)) * 5)


def violations(refused):
    return {violation.field: violation.description for violation in refused.value.violations}


def body(job):
    return decode_body(job.envelope + job.content)


def test_a_plain_mail_becomes_one_job(drafter, call):
    """With everything that the node needs, and what dispatch decides by."""
    accepted = drafter.mail(call, replace(MAIL, tags=("t",), metadata={"k": "v"}))
    (job,) = accepted.jobs
    record = accepted.mail
    assert (record.tenant, record.batch_id, record.lane, record.emails) == ("acme", None, Lane.TRANSACTIONAL, ("a@example.net",))
    assert (record.tags, record.metadata, record.accept_ms, record.expire_ms) == (("t",), {"k": "v"}, NOW, NOW + 48 * 3_600_000)
    assert (job.id, job.tenant, job.route, job.site_key, job.recipients) == (job_id(record.id, 0), "acme", "rest", "rest", (0,))
    assert (job.lane, job.accept_ms, job.expire_ms, job.attempt, job.events) == (Lane.TRANSACTIONAL, NOW, record.expire_ms, 1, 1)
    assert job.content_id == sha256(job.content).digest()
    envelope = body(job).envelope
    assert (envelope.mail_id, envelope.return_path, envelope.date_ms) == (record.id, "news@example.com", NOW)
    assert envelope.message_id == f"<{record.id.hex()}@example.com>"
    assert body(job).content.body == Parts("Hi", "text")


def test_duplicates_are_folded_and_the_first_role_wins(drafter, call):
    """In the header too; indexes are places in to, cc and bcc together."""
    a, b, c = Address("a@example.net"), Address("b@example.net"), Address("c@example.net")
    accepted = drafter.mail(call, replace(MAIL, to=(a, Address("a@EXAMPLE.net", "again")), cc=(b, a), bcc=(c, b)))
    assert accepted.mail.emails == ("a@example.net", "b@example.net", "c@example.net")
    envelope = body(accepted.jobs[0]).envelope
    assert (envelope.to, envelope.cc) == ((a,), (b,))
    assert [(r.index, r.email) for r in envelope.recipients] == [(0, a.email), (1, b.email), (2, c.email)]


def test_recipients_are_split_by_route_and_number(routes, call):
    """One content, one Message-ID, ids that derive from the mail's."""
    drafter = Drafter(routes, Limits(max_recipients_per_job=2), encode_envelope, encode_content)
    to = tuple(Address(f"u{i}@{'example.org' if i % 2 else 'example.net'}") for i in range(7))
    accepted = drafter.mail(call, replace(MAIL, to=to))
    assert [(job.route, job.recipients) for job in accepted.jobs] == [
        ("rest", (0, 2)),
        ("rest", (4, 6)),
        ("org", (1, 3)),
        ("org", (5,)),
    ]
    assert [job.id for job in accepted.jobs] == [job_id(accepted.mail.id, ordinal) for ordinal in range(4)]
    assert len({job.content for job in accepted.jobs}) == 1
    assert len({body(job).envelope.message_id for job in accepted.jobs}) == 1
    assert all(len(body(job).envelope.to) == 7 for job in accepted.jobs)


def test_a_named_route_takes_all(drafter, call):
    """Whatever the domains say."""
    accepted = drafter.mail(call, replace(MAIL, route="named", to=(Address("a@example.org"), Address("b@example.net"))))
    assert [job.route for job in accepted.jobs] == ["named"]


def test_an_unknown_route_names_those_that_there_are(drafter, call):
    """So that nobody has to ask the operator."""
    with pytest.raises(Invalid) as refused:
        drafter.mail(call, replace(MAIL, route="nmaed"))
    assert "named, org, rest" in violations(refused)["mail.route"]


def test_smtputf8_is_asked_for_only_where_it_is_needed(routes, call):
    """A non-ASCII address in the header concerns every job, in the envelope its own; a domain never does."""
    drafter = Drafter(routes, Limits(max_recipients_per_job=1), encode_envelope, encode_content)
    ascii_, utf8, domain = Address("a@example.net"), Address("jörg@example.net"), Address("b@bücher.example")

    def flags(**change):
        return [body(job).envelope.smtputf8 for job in drafter.mail(call, replace(MAIL, **change)).jobs]

    assert flags(to=(ascii_, domain)) == [False, False]
    assert flags(to=(ascii_, utf8)) == [True, True]
    assert flags(to=(ascii_,), bcc=(utf8,)) == [False, True]
    assert flags(from_address=Address("jörg@example.com")) == [True]
    assert flags(reply_to=(utf8,)) == [True]
    assert flags(return_path="jörg@example.com") == [True]


def test_choices_of_the_mail_reach_its_job(drafter, call):
    """Lane, doubt, ttl, return path, headers."""
    mail = replace(MAIL, lane=Lane.BULK, on_doubt=OnDoubt.HOLD, ttl_ms=60_000, return_path="", headers=(Header("X-A", "1"),))
    accepted = drafter.mail(call, mail)
    (job,) = accepted.jobs
    assert (job.lane, job.on_doubt, job.expire_ms) == (Lane.BULK, OnDoubt.HOLD, NOW + 60_000)
    assert body(job).envelope.return_path == ""
    assert body(job).content.headers == (Header("X-A", "1"),)


BAD_FILES = (
    Attachment(b"", "a\r\nb", "nonsense", "<cid>"),
    Attachment(b"", "", "multipart/mixed"),
    Attachment(b"", content_id="c"),
    Attachment(b"", content_id="c"),
)
BAD_HEADERS = (
    Header("Subject", "x"),
    Header("X A", "x"),
    Header("X-A", "1\r\nBcc: x@example.net"),
    Header("", "x"),
    Header("Content-Type", "x"),
    Header("X:", ""),
    Header("DKIM-Signature", "x"),
    Header("x" * 77, ""),
)
BAD = replace(
    MAIL,
    reply_to=(Address("x"),),
    to=(Address("a@example.net", "A\r\nBcc: x@example.net"), Address("nonsense")),
    cc=(Address("a@" + "x" * 300 + ".com"),),
    bcc=(Address("l" * 65 + "@example.net"),),
    content=Parts("Hi\r\nBcc: x@example.net", "a\0b"),
    attachments=BAD_FILES,
    headers=BAD_HEADERS,
    ttl_ms=0,
    tags=("", "a\nb", "x" * 65),
    metadata={"": "x", "k": "v" * 5000},
    return_path="a@b\r\nRCPT TO:<c@d.example>",
    route="none",
)


def test_everything_that_is_wrong_is_told_at_once(drafter, call):
    """With the field as the caller wrote it; header injection is refused at every door."""
    with pytest.raises(Invalid) as refused:
        drafter.mail(call, BAD)
    assert type(refused.value) is Invalid
    assert set(violations(refused)) == {
        "mail.reply_to[0].email",
        "mail.to[0].display_name",
        "mail.to[1].email",
        "mail.cc[0].email",
        "mail.bcc[0].email",
        "mail.parts.subject",
        "mail.parts.text",
        "mail.attachments[0].filename",
        "mail.attachments[0].content_type",
        "mail.attachments[0].content_id",
        "mail.attachments[1].content_type",
        "mail.attachments[3].content_id",
        "mail.headers[0].name",
        "mail.headers[1].name",
        "mail.headers[2].value",
        "mail.headers[3].name",
        "mail.headers[4].name",
        "mail.headers[5].name",
        "mail.headers[6].name",
        "mail.headers[7].name",
        "mail.ttl",
        "mail.tags[0]",
        "mail.tags[1]",
        "mail.tags[2]",
        "mail.metadata",
        "mail.return_path",
        "mail.route",
    }


def test_reports_are_bounded(drafter, call):
    """A status has no room for ten thousand, and finding them all would take a while."""
    with pytest.raises(Invalid) as refused:
        drafter.mail(call, replace(MAIL, to=tuple(Address(f"nonsense{i}") for i in range(9000))))
    assert len(refused.value.violations) == MAX_REPORTED


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"from_address": Address("")}, "mail.from_address.email"),
        ({"from_address": Address("news@example.com", "A\nB")}, "mail.from_address.display_name"),
        ({"to": ()}, "mail.to"),
        ({"content": None}, "mail.content"),
        ({"content": Parts("only a subject")}, "mail.parts"),
        ({"content": Raw(b"")}, "mail.raw"),
        ({"content": Raw(b"no header")}, "mail.raw"),
        ({"content": Raw(b"From: a@example.com\n\n"), "headers": (Header("X", "1"),)}, "mail.headers"),
        ({"content": Raw(b"From: a@example.com\n\n"), "attachments": (Attachment(b""),)}, "mail.attachments"),
        ({"ttl_ms": 8 * 24 * 3_600_000}, "mail.ttl"),
        ({"ttl_ms": -1}, "mail.ttl"),
        ({"return_path": "nonsense"}, "mail.return_path"),
    ],
)
def test_one_fault_names_one_field(drafter, call, change, field):
    """And nothing else."""
    with pytest.raises(Invalid) as refused:
        drafter.mail(call, replace(MAIL, **change))
    assert [violation.field for violation in refused.value.violations] == [field]


def test_raw_lines_as_the_settings_say(routes, limits, call):
    """Mended by default, on the node; else the call is refused, with the line."""
    head = b"From: a@example.com\r\n\r\n"
    for name, data in (("raw_bare_ends", head + b"x\n"), ("raw_long_lines", head + b"x" * 999 + b"\r\n")):
        mail = replace(MAIL, content=Raw(data))
        assert body(Drafter(routes, limits, encode_envelope, encode_content).mail(call, mail).jobs[0]).content.body == Raw(data)
        strict = Drafter(routes, replace(limits, **{name: "refuse"}), encode_envelope, encode_content)
        with pytest.raises(Invalid) as refused:
            strict.mail(call, mail)
        assert violations(refused)["mail.raw"].startswith("line 3 ")
        strict.mail(call, replace(mail, content=Raw(head + b"x" * 998 + b"\r\n")))


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"to": tuple(Address(f"u{i}@example.net") for i in range(10_001))}, "mail.to"),
        ({"content": Parts("", "x" * (50 * 2**20 + 1))}, "mail.content"),
        ({"content": Parts("", "ü" * (26 * 2**20))}, "mail.content"),
        ({"content": Raw(b"x" * (50 * 2**20 + 1))}, "mail.content"),
        ({"attachments": (Attachment(bytes(26 * 2**20)), Attachment(bytes(26 * 2**20)))}, "mail.content"),
        ({"attachments": (Attachment(b""),) * 101}, "mail.attachments"),
        ({"headers": (Header("X", ""),) * 101}, "mail.headers"),
        ({"headers": (Header("X", "x" * 300_000),)}, "mail.headers"),
        ({"tags": ("t",) * 17}, "mail.tags"),
        ({"metadata": {str(i): "" for i in range(33)}}, "mail.metadata"),
        ({"hash_key": "ü" * 129}, "mail.hash_key"),
    ],
)
def test_what_is_too_large_says_the_limit(drafter, call, change, field):
    """Its reason is TOO_LARGE, so that a program can tell it from a mistake."""
    with pytest.raises(TooLarge) as refused:
        drafter.mail(call, replace(MAIL, **change))
    assert [violation.field for violation in refused.value.violations] == [field]
    assert "at most" in refused.value.violations[0].description


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"from_address": Address("x@elsewhere.example")}, "mail.from_address"),
        ({"return_path": "x@elsewhere.example"}, "mail.return_path"),
        ({"content": Raw(b"From: x@elsewhere.example\n\nhi")}, "mail.raw: From"),
        ({"content": Raw(b"From: a@example.com, x@elsewhere.example\n\nhi")}, "mail.raw: From"),
        ({"content": Raw(b'From: "a@example.com" <x@elsewhere.example>\n\nhi')}, "mail.raw: From"),
    ],
)
def test_another_tenants_domain_is_forbidden(drafter, call, change, word):
    """In From, in the return path, and in the From of a raw message."""
    with pytest.raises(SenderDomainForbidden, match=f"{word}.*elsewhere.example"):
        drafter.mail(call, replace(MAIL, **change))


def test_a_domain_without_a_route_names_the_routes(call, limits, routes):
    """When no route takes the rest."""
    from gateway.admission.routing import Routes

    drafter = Drafter(Routes([routes.named("org")]), limits, encode_envelope, encode_content)
    with pytest.raises(Invalid) as refused:
        drafter.mail(call, MAIL)
    assert "no route takes mail for example.net" in violations(refused)["mail.to[0].email"]


def entry(email="a@example.net", **more):
    return BatchEntry(to=(Address(email),), **more)


SHARED = replace(MAIL, to=(), headers=(Header("X-S", "1"),), metadata={"a": "1", "b": "2"})


def test_each_entry_becomes_a_mail_and_shares_the_content(drafter, call):
    """Encoded once; own headers after the shared ones, own metadata over the shared."""
    entries = [entry(), entry("b@example.org", headers=(Header("X-O", "2"),), metadata={"b": "3"})]
    batch_id, drafted = drafter.batch(call, SHARED, entries)
    first, second = drafted
    assert {each.mail.batch_id for each in drafted} == {batch_id}
    assert len({batch_id, first.mail.id, second.mail.id}) == 3
    assert first.jobs[0].content is second.jobs[0].content
    assert (first.mail.lane, first.jobs[0].route, second.jobs[0].route) == (Lane.BULK, "rest", "org")
    assert (first.mail.metadata, second.mail.metadata) == ({"a": "1", "b": "2"}, {"a": "1", "b": "3"})
    assert body(second.jobs[0]).content.headers == (Header("X-S", "1"),)
    assert body(second.jobs[0]).envelope.headers == (Header("X-O", "2"),)


def test_a_fault_of_an_entry_is_its_own(drafter, call):
    """The others are mails all the same."""
    entries = [entry("nonsense"), entry(), BatchEntry(), entry(headers=(Header("To", "x"),)), entry(metadata={"k": "v" * 5000})]
    _, drafted = drafter.batch(call, SHARED, entries)
    assert [isinstance(each, Accepted) for each in drafted] == [False, True, False, False, False]
    fields = [each.violations[0].field for each in drafted if isinstance(each, Invalid)]
    assert fields == ["entries[0].to[0].email", "entries[2].to", "entries[3].headers[0].name", "entries[4].metadata"]


@pytest.mark.parametrize(
    ("shared", "entries", "field"),
    [
        (MAIL, [entry()], "shared.to"),
        (SHARED, [], "entries"),
        (replace(SHARED, content=None), [entry()], "shared.content"),
        (replace(SHARED, route="none"), [entry()], "shared.route"),
    ],
)
def test_a_fault_of_the_whole_fails_the_call(drafter, call, shared, entries, field):
    """Nothing is drafted."""
    with pytest.raises(Invalid) as refused:
        drafter.batch(call, shared, entries)
    assert [violation.field for violation in refused.value.violations] == [field]


def test_a_batch_is_bounded(call, routes):
    """In entries, and in recipients over all of them."""
    drafter = Drafter(routes, Limits(max_batch_entries=3, max_batch_recipients=5), encode_envelope, encode_content)
    assert len(drafter.batch(call, SHARED, [entry()] * 3)[1]) == 3
    with pytest.raises(TooLarge, match="4 entries, at most 3"):
        drafter.batch(call, SHARED, [entry()] * 4)
    with pytest.raises(TooLarge, match="6 recipients in all entries, at most 5"):
        drafter.batch(call, SHARED, [BatchEntry(to=(Address("a@example.net"),) * 3)] * 2)


def test_a_tenant_of_any_domain_may_send_anything_raw(drafter, call):
    """It is still asked for an author."""
    free = call._replace(tenant=Tenant("free", ("*",)))
    assert drafter.mail(free, replace(MAIL, content=Raw(b"From: x@elsewhere.example\n\nhi")))
    with pytest.raises(Invalid):
        drafter.mail(free, replace(MAIL, content=Raw(b"Subject: x\n\nhi")))
