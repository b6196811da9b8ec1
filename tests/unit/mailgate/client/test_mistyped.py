"""Values of a wrong type: the commonest mistake before a type checker runs. Field, value and cure are told, wherever the mail goes."""

from __future__ import annotations

from typing import Any

import pytest

from mailgate.client import Address, BatchEntry, Mail
from mailgate.client.encode import batch_request, send_request
from mailgate.client.mistyped import mistyped
from mailgate.client.testing import FakeMailClient
from tests.unit.mailgate.client.conftest import mail

ANN: Any = Address("ann@example.com")
WRITE = 'write Address("ann@example.com")'

WRONG: dict[str, tuple[Any, str]] = {
    "author": (Mail("ann@example.com", to=(ANN,)), f"mail.from_address: 'ann@example.com' is no Address: {WRITE}"),  # type: ignore[arg-type]
    "recipient": (Mail(ANN, to=(ANN, "bo@example.com")), f"mail.to[1]: 'bo@example.com' is of type str: {WRITE}"),  # type: ignore[arg-type]
    "one": (Mail(ANN, to=ANN), 'is no tuple: write (Address("ann@example.com"),)'),
    "text": (Mail(ANN, cc="bo@example.com"), "mail.cc: 'bo@example.com' is no tuple"),  # type: ignore[arg-type]
    "variables": (Mail(ANN, to=(ANN,), variables={"name": "Ann"}), "mail.variables: they are of type dict: give JSON in octets"),  # type: ignore[arg-type]
    "header": (Mail(ANN, to=(ANN,), headers=("X-A: b",)), "mail.headers[0]: 'X-A: b' is of type str: write Header(…)"),  # type: ignore[arg-type]
    "metadata": (Mail(ANN, to=(ANN,), metadata={"order": 17}), "mail.metadata: give a dict from str to str"),  # type: ignore[dict-item]
    "mail": ("Hello", "mail: 'Hello' is no mail: give a Mail"),
}


@pytest.mark.parametrize("which", WRONG)
async def test_field_value_and_cure_are_told(which: str) -> None:
    """By the encoding of a real call, and by the client for tests."""
    given, says = WRONG[which]
    with pytest.raises(TypeError) as told:
        send_request(given, "key")
    assert says in str(told.value)
    async with FakeMailClient() as client:
        with pytest.raises(TypeError) as told:
            await client.send(given)
    assert says in str(told.value)


async def test_an_entry_is_told_by_its_place() -> None:
    """And what the entries share by its name."""
    entries: Any = [BatchEntry(to=(ANN,)), BatchEntry(to=("bo@example.com",))]  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"^entries\[1\]\.to\[0\]: 'bo@example.com' is of type str"):
        batch_request(mail(to=""), iter(entries), "")
    with pytest.raises(TypeError, match=r"^shared\.from_address: 'a@b' is no Address"):
        batch_request(Mail("a@b"), entries, "")  # type: ignore[arg-type]
    async with FakeMailClient() as client:
        with pytest.raises(TypeError, match=r"^entries\[1\]\.to\[0\]: 'bo@example.com' is of type str"):
            await client.send_batch(mail(to=""), entries)
        with pytest.raises(TypeError, match=r"^shared\.from_address: 'a@b' is no Address"):
            await client.send_batch(Mail("a@b"), entries)  # type: ignore[arg-type]


def test_another_error_stays_what_it_is() -> None:
    """A defect of ours is not told as the caller's mistake."""
    error = AttributeError("a defect")
    assert mistyped(mail(), "mail", error) is error
