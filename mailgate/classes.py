"""Every class of trouble there is, and what each means in one sentence for people. Pure; nodes, gateways, clients and settings share it."""

from __future__ import annotations

from collections.abc import Mapping

EXPLANATIONS: Mapping[str, str] = {
    "unknown_user": "The address does not exist, or its mailbox is closed.",
    "unknown_domain": "The address's domain does not exist, or takes no mail.",
    "mailbox_full": "The mailbox is full.",
    "too_large": "The mail is larger than the server takes.",
    "policy": "The server's rules do not let this mail in.",
    "spam": "The server took the mail for spam or for something harmful.",
    "blocked": "The server refuses this sender because of its reputation or a block list.",
    "rate_limited": "The server was sent too much in too short a time.",
    "greylisted": "The server asks unknown senders to come back a little later.",
    "auth": "The server wants a login, or refuses the one that was used.",
    "tls": "No encrypted connection came about as one of the servers requires.",
    "dns": "A name that is needed for this delivery could not be resolved, or does not match its address.",
    "connect": "The server could not be reached, or was not available.",
    "protocol": "The server and the sender did not understand each other, or the form of the mail was refused.",
    "unsupported": "The server lacks something that this mail needs.",
    "content": "The mail could not be composed.",
    "node_lost": "The sender that had the mail was lost before it told how it went.",
    "dead": "The mail was given up here; an operator has to look at it.",
    "other": "The server gave no reason that is known.",
}
"""Sentences are stable: programs may show them, and none has a word of a server in it."""

CLASSES = tuple(EXPLANATIONS)


def explain(bounce_class: str) -> str:
    """The sentence of a class; empty for none, that of `other` for one of another release."""
    return EXPLANATIONS.get(bounce_class, EXPLANATIONS["other"]) if bounce_class else ""
