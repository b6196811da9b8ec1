"""How settings name replies of servers: by phase, code, enhanced code and words. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mailgate.config.patterns import TEXT, fault
from mailgate.errors import Mistake
from mailgate.verdict import Phase, Reply

_CODE = re.compile(r"[45](?:[0-9]{2}|[0-9]x|xx)|0")
_ENHANCED = re.compile(r"[45]\.(?:[0-9]{1,3}|\*)\.(?:[0-9]{1,3}|\*)")


def mistakes(code: str, enhanced_code: str, text: str, key: str) -> Iterator[Mistake]:
    """What is wrong with these three, each by itself; `key` is that of their table."""
    if code and not _CODE.fullmatch(code):
        yield Mistake(f"{key}.code", f'"{code}"', 'write "550", "55x", "4xx", or "0" for no reply')
    if enhanced_code and not _ENHANCED.fullmatch(enhanced_code):
        yield Mistake(f"{key}.enhanced_code", f'"{enhanced_code}"', 'write "5.7.1", "5.7.*" or "4.*.*"')
    if text and (cure := fault(text)):
        yield Mistake(f"{key}.text", f'"{text[:TEXT]}"', cure)


class ReplyPattern:
    """What a reply must be, compiled; whatever is empty may be anything. `text` is found anywhere in the words, whatever their case."""

    __slots__ = ("_code", "_enhanced", "_phase", "_text")

    def __init__(self, *, phase: Phase | None = None, code: str = "", enhanced_code: str = "", text: str = "") -> None:
        self._phase = phase
        self._code = re.compile(code.replace("x", "[0-9]")) if code else None
        self._enhanced = re.compile(re.escape(enhanced_code).replace(r"\*", "[0-9]+")) if enhanced_code else None
        self._text = re.compile(text, re.I) if text else None

    def fits(self, reply: Reply) -> bool:
        """All that it names is so."""
        return (
            (self._phase is None or self._phase is reply.phase)
            and (self._code is None or self._code.fullmatch(str(reply.code)) is not None)
            and (self._enhanced is None or self._enhanced.fullmatch(reply.enhanced_code) is not None)
            and (self._text is None or self._text.search(reply.text[:TEXT]) is not None)
        )
