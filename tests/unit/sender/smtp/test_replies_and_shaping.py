"""What the shipped shaping does about the published replies of tests/data/replies.txt: for each provider these, and no others."""

from __future__ import annotations

import pytest

from mailgate.shaping.file import read
from sender.smtp.verdicts import understand
from tests.unit.sender.smtp.test_replies_of_servers import KNOWN

SHIPPED = read()

PAGES = {
    "apple": ("Apple.pm", "smtp.codes/icloud"),
    "comcast": ("comcast.net",),
    "gmx": ("gmx.com", "unitedinternet"),
    "google": ("support.google", "Google.pm"),
    "laposte": ("FrancePTT.pm", "bentonow.com/smtp-errors/laposte"),
    "microsoft365": ("Microsoft.pm", "easy365manager"),
    "netease": ("biecuoliao",),
    "orange": ("FrancePTT.pm",),
    "outlook": ("Microsoft.pm",),
    "qq": ("smtp.codes/qq",),
    "yahoo": ("tss04", "YahooInc.pm"),
}
"""Whose words are on which pages. The pages of La Poste and Orange are one: each must let the other's alone, but for what both say."""

ACTS = {
    "apple": {
        "Mail from IP 192.0.2.1 was rejected due to listing in Spamhaus SBL": "suspend",
        "Blocked - see https://support.proofpoint.com": "suspend",
        "Service unavailable - try again later": "suspend",
        "Messages to ann@icloud.com deferred due to excessive volume": "none",
        "me.com Error: too many errors": "slow",
    },
    "comcast": {"Too many sessions opened": "fewer_connections"},
    "gmx": {"gmx.net (mxgmx104) Nemesis ESMTP Service not available": "suspend"},
    "google": {
        "Server busy, try again later": "slow",
        "Our system has detected an unusual rate of unsolicited mail": "suspend",
        "Gmail has detected an unusual rate of mail": "suspend",
        "The IP you're using to send mail is not authorized": "suspend",
        "Our system has detected that this message is likely suspicious due to the very low reputation": "suspend",
        "The user you are trying to contact is receiving mail too quickly": "none",
        "The user you are trying to contact is receiving mail at a rate": "none",
        "Peak SMTP relay limit exceeded": "none",
        "Your message has too many recipients": "none",
        "Daily SMTP relay limit exceeded": "none",
    },
    "laposte": {
        "Service unavailable; client [192.0.2.1] blocked using Spamhaus": "suspend",
        "mwinf5c79 ME Trop de connexions": "suspend",
        "Client host rejected LPN000_630": "suspend",
    },
    "microsoft365": {
        "Unfortunately, messages from [192.0.2.5] weren't sent": "suspend",
        "Access denied, banned sending IP": "suspend",
        "Server busy. Please try again later from": "suspend",
        "The mail server [192.0.2.25] has been temporarily rate limited due to IP reputation": "suspend",
        "Access denied, spam abuse detected from IP": "suspend",
        "Service unavailable, Client host [192.0.2.5] blocked by example.com using Customer Block list": "none",
        "STOREDRV.Deliver; recipient thread limit exceeded": "none",
        "The recipient has exceeded their limit": "none",
    },
    "netease": {"DT:SPM ,please try again": "none"},
    "orange": {
        "Service unavailable; client [192.0.2.1] blocked using Spamhaus": "suspend",
        "mwinf5c79 ME Trop de connexions": "fewer_connections",
        "mwinf5c77 ME Service refuse": "suspend",
    },
    "outlook": {
        "Unfortunately, messages from [192.0.2.5] weren't sent": "suspend",
        "Access denied, banned sending IP": "suspend",
        "Server busy. Please try again later from": "suspend",
        "The mail server [192.0.2.25] has been temporarily rate limited due to IP reputation": "suspend",
        "Access denied, spam abuse detected from IP": "suspend",
        "Service unavailable, Client host [192.0.2.5] blocked by example.com using Customer Block list": "suspend",
        "STOREDRV.Deliver; recipient thread limit exceeded": "none",
        "The recipient has exceeded their limit": "none",
    },
    "qq": {"Sender frequency limited": "slow", "Suspected spam sender": "suspend"},
    "yahoo": {
        "[TSS04] Messages from 192.0.2.192 temporarily deferred": "suspend",
        "[BL21] Connections will not be accepted": "suspend",
        "[TSS09] All messages from 192.0.2.25 will be permanently deferred": "suspend",
        "User is receiving mail too quickly": "none",
        "Max message per connection reached": "none",
    },
}
"""By the beginning of the words. Every other refusal on a provider's pages is about a mailbox, a mail or its authenticity."""

BY_DEFAULT = {
    "Error: too much mail from": "slow",
    "mx.example.com Error: too many new TLS sessions": "slow",
    "Connection rate limit exceeded": "slow",
    "Error: too many recipients": "none",
    "Too many recipients": "none",
    "This message contains too many recipients": "none",
    "Error: too many connections": "fewer_connections",
    "Connection refused, too many sessions from This IP": "fewer_connections",
    "Connection refused. This IP address is listed on the Spamhaus Block List": "suspend",
    "Service unavailable; Client host [": "suspend",
    "Service unavailable; client [": "suspend",
    "<mx.example.com[203.0.113.22]>: Client host rejected: blocked using": "suspend",
    "mwinf5c04 ME Adresse IP source bloquee pour incident de spam": "suspend",
}
"""Of all the other replies, at a server that is nobody's."""


def acts(name: str, pages: tuple[str, ...]) -> list[tuple[str, str | None]]:
    """The words of each refusal on these pages, and what is done about it."""
    shape = SHIPPED.providers[name] if name else SHIPPED.default
    found: list[tuple[str, str | None]] = []
    for known in KNOWN:
        if any(page in known.source for page in pages) is not bool(name):
            continue
        reply = understand(known.phase, known.said)
        rule = shape.rule_for(reply)
        if reply.code >= 400:
            found.append((reply.text, None if rule is None else rule.action))
    return found


def expected(words: str, table: dict[str, str]) -> str | None:
    return next((action for beginning, action in table.items() if words.startswith(beginning)), None)


@pytest.mark.parametrize("name", sorted(PAGES))
def test_a_provider_says(name: str) -> None:
    """Each reply that is about us, or about how much we send, acts as it should; no other acts at all."""
    found = acts(name, PAGES[name])
    assert [(words, action) for words, action in found if action != expected(words, ACTS[name])] == []
    assert {expected(words, ACTS[name]) for words, _ in found} - {None} == set(ACTS[name].values())
    assert len([words for words, action in found if action]) >= len(ACTS[name])


def test_a_stranger_says() -> None:
    """The same of servers that are no provider's: some 130 replies, of which these are of the connection or of the address."""
    found = acts("", tuple(page for pages in PAGES.values() for page in pages))
    assert [(words, action) for words, action in found if action != expected(words, BY_DEFAULT)] == []
