"""Large fields in and out of protobuf messages with one copy each. Pure.

The library copies a field of 50 MiB up to four times between bytes and values, 25 to 50 ms each with the GIL held, so that not even a
thread keeps the event loop alive. Here such fields are cut out of the bytes, and the library sees the rest.
https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

from mailgate.errors import MailgateError

MAX_FIELDS = 250_000
"""Fields looked at in one message. The largest that is allowed has some 100,000; two-octet fields could make 33 million of 64 MiB."""

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_MAX_SHIFT = 63


class Malformed(MailgateError):
    """These octets are no message, or one that only the library should read; the text is for a log."""


class Crowded(MailgateError):
    """More than MAX_FIELDS."""


class Scanner:
    """Cuts fields out of one message and those within it, and counts all that it looks at."""

    def __init__(self, max_fields: int = MAX_FIELDS) -> None:
        self._left = max_fields

    def cut(self, data: memoryview, numbers: frozenset[int]) -> tuple[bytes, list[tuple[int, memoryview]]]:
        """The message without the length-delimited fields of these numbers; and they, in their order.

        Raises:
            Malformed: it is no message.
            Crowded: it has too many fields.
        """
        rest: list[memoryview] = []
        taken: list[tuple[int, memoryview]] = []
        position = kept = 0
        end = len(data)
        while position < end:
            self._left -= 1
            if self._left < 0:
                raise Crowded(f"more than {MAX_FIELDS:,} fields")
            start = position
            tag, position = _varint(data, position)
            kind = tag & 7
            if kind == _LENGTH:
                length, position = _varint(data, position)
                body, position = position, position + length
                if tag >> 3 in numbers and position <= end:
                    taken.append((tag >> 3, data[body:position]))
                    rest.append(data[kept:start])
                    kept = position
            else:
                position = _skip(data, position, kind)
        if position > end:
            raise Malformed("a field is longer than its message")
        rest.append(data[kept:])
        return b"".join(rest), taken

    def count(self, data: memoryview) -> None:
        """Look at a message's fields without taking any."""
        self.cut(data, frozenset())


def delimited(number: int, length: int) -> bytes:
    """What stands before a length-delimited field's octets."""
    return _encoded(number << 3 | _LENGTH) + _encoded(length)


def _varint(data: memoryview, position: int) -> tuple[int, int]:
    try:
        octet = data[position]
        if octet < 0x80:  # noqa: PLR2004 - the last octet's mark
            return octet, position + 1
        value, shift = octet & 0x7F, 7
        while octet >= 0x80:  # noqa: PLR2004
            position += 1
            octet = data[position]
            value |= (octet & 0x7F) << shift
            shift += 7
            if shift > _MAX_SHIFT + 7:
                raise Malformed("a number has more than ten octets")
    except IndexError:
        raise Malformed("a number is cut off") from None
    return value, position + 1


def _skip(data: memoryview, position: int, kind: int) -> int:
    if kind == _VARINT:
        return _varint(data, position)[1]
    if kind == _FIXED64:
        return position + 8
    if kind == _FIXED32:
        return position + 4
    raise Malformed("a group, or an unknown kind of field")


def _encoded(value: int) -> bytes:
    octets = bytearray()
    while value > 0x7F:  # noqa: PLR2004
        octets.append(value & 0x7F | 0x80)
        value >>= 7
    octets.append(value)
    return bytes(octets)
