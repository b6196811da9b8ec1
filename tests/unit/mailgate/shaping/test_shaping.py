"""A shaping file: whose a domain or a server is, what holds there, and every mistake at once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailgate.errors import SettingsInvalid
from mailgate.shaping.file import read
from mailgate.shaping.shaping import MAX_OCTETS, NO_SHAPING, parse, version_of
from mailgate.verdict import Phase, Reply

TEXT = """
[default]
connections = 10
mails_per_second = 100.0

[[default.replies]]
code = "4xx"
text = "slow down"
action = "slow"

[providers.big]
domains = ["big.example"]
mx = ["*.mx.big.example", "in.big.example"]
connections = 3
mails_per_hour = 3600.0

[[providers.big.replies]]
enhanced_code = "4.7.28"
action = "suspend"
lasts = "2m"

[[providers.big.replies]]
text = "slow down"
bounce_class = "greylisted"
action = "none"

[providers.particular]
mx = ["*.eu.mx.big.example"]
refused_share = 0.0
"""


def mistakes(text: str) -> list[str]:
    with pytest.raises(SettingsInvalid) as caught:
        parse(text, "file.toml")
    return [str(each) for each in caught.value.mistakes]


def reply(code: int = 421, enhanced: str = "", text: str = "", name: str = "rate_limited") -> Reply:
    return Reply(Phase.BODY, code, enhanced, text, name)


@pytest.mark.parametrize(
    ("domain", "hosts", "name", "pattern"),
    [
        ("big.example", [], "big", "big.example"),
        ("BIG.example.", ["mx.elsewhere.example"], "big", "big.example"),
        ("shop.example", ["a.mx.big.example"], "big", "*.mx.big.example"),
        ("shop.example", ["A.B.MX.Big.Example."], "big", "*.mx.big.example"),
        ("shop.example", ["in.big.example"], "big", "in.big.example"),
        ("shop.example", ["a.eu.mx.big.example"], "particular", "*.eu.mx.big.example"),
        ("shop.example", ["mail.shop.example", "a.mx.big.example"], "big", "*.mx.big.example"),
        ("shop.example", ["mx.big.example"], "", ""),
        ("shop.example", ["xin.big.example"], "", ""),
        ("sub.big.example", [], "", ""),
        ("", [], "", ""),
    ],
)
def test_whose_it_is(domain: str, hosts: list[str], name: str, pattern: str) -> None:
    """A domain that is named, else the first server that is: by itself or by what it is below, the most particular pattern first."""
    found = parse(TEXT).find(domain, hosts)
    assert (found.shape.name, found.pattern) == (name, pattern)


def test_what_a_provider_does_not_say_the_default_does() -> None:
    """Number by number; of two rates the slower one is in force."""
    shaping = parse(TEXT)
    big, particular = shaping.providers["big"], shaping.providers["particular"]
    assert (big.connections, big.interval, big.refused_share) == (3, 1.0, 0.05)
    assert (particular.connections, particular.interval, particular.refused_share) == (10, 0.01, 0.0)
    assert big.refused_classes == {"blocked", "spam", "policy", "rate_limited"}


def test_a_relay_is_left_as_its_route_says() -> None:
    """`[default]` is for strangers' servers, not for one's own; a relay that is a provider's server is that provider's."""
    shaping = parse(TEXT)
    own = shaping.of_relays(["smtp.example.net"]).shape
    assert (own.connections, own.interval, own.refused_share, own.rules) == (0, 0.0, 0.0, ())
    assert shaping.of_relays(["in.big.example"]).shape.name == "big"
    assert parse("[relays]\nconnections = 4\nrefused_share = 0.5").of_relays([]).shape.connections == 4


@pytest.mark.parametrize(
    ("said", "rule"),
    [
        (reply(enhanced="4.7.28", text="unusual rate"), "providers.big.replies[0]"),
        (reply(text="Slow down, please"), "default.replies[0]"),
        (reply(text="slow down", name="greylisted"), None),
        (reply(code=550, text="slow down"), None),
        (reply(text="busy"), None),
    ],
)
def test_which_rule_acts(said: Reply, rule: str | None) -> None:
    """A provider's own before the default's; `none` ends the search with nothing to do."""
    found = parse(TEXT).providers["big"].rule_for(said)
    assert (None if found is None or found.action == "none" else found.key) == rule


def test_all_mistakes_at_once() -> None:
    """Each with its place, what stands there, and the cure."""
    found = mistakes("""
[default]
connections = -1
mails_per_second = "many"
conections = 4
refused_classes = ["spam", "spma"]

[[default.replies]]
action = "stop"
code = "25x"
lasts = "5"

[[default.replies]]
action = "slow"

[[default.replies]]
action = "slow"
text = "(a+)+"
lasts = "2h"

[providers.Big_One]
mx = ["*.example.com", "*"]

[providers.other]
mx = ["*.EXAMPLE.com"]

[providers.nobody]

[relay]
""")
    told = "\n".join(found)
    for part in (
        "file.toml: default.connections = -1",
        'default.mails_per_second = "many"',
        "default.conections = 4: there is no such key: did you mean connections?",
        "default.refused_classes[1]",
        "default.replies[0].action",
        'default.replies[0].code = "25x"',
        'default.replies[0].lasts = "5"',
        "default.replies[1]: it would fit every refusal",
        "default.replies[2].text",
        "default.replies[2].lasts = 2h: it exceeds longest, which is 1h",
        "providers.Big_One: a provider's name",
        'providers.Big_One.mx[1] = "*"',
        "providers.nobody: it is for nobody",
        "relay",
    ):
        assert part in told, part
    assert "providers.Big_One has it already" in "\n".join(mistakes('[providers.Big_One]\nmx=["*.x.com"]\n[providers.b]\nmx=["*.X.com"]'))


@pytest.mark.parametrize(
    "text",
    [
        "[default",
        "[" + ".".join("a" * 60_000) + "]",
        "".join(f"[providers.p{n}]\n" for n in range(6000)),
        "a = " + "[" * 5000,
        "[" + ".".join("a" * 2000) + "]",
        "providers = 3",
        "default = []",
        "[[default.replies]]\naction = 3\n" * 200,
        "\x00",
        "x" * (MAX_OCTETS + 1),
        "".join(f'[[default.replies]]\naction="slow"\ncode="421"\ntext="{n}"\n' for n in range(501)),
    ],
)
def test_what_is_no_shaping_is_refused_and_said(text: str) -> None:
    """A node takes it from a gateway: nothing in it may do more than be refused."""
    assert mistakes(text)


@given(st.text(alphabet='[]=.#"\n \\default.providers.mxreplies0123', max_size=200))
def test_any_text_is_judged(text: str) -> None:
    """It is read, or refused by the one error; nothing else comes out."""
    try:
        shaping = parse(text)
    except SettingsInvalid:
        return
    assert shaping.version == version_of(text)


def test_no_shaping_limits_nothing() -> None:
    """Empty text, and the word `none`."""
    for shaping in (parse(""), read("none"), NO_SHAPING):
        shape = shaping.find("gmail.com", ["aspmx.l.google.com"]).shape
        assert (shape.connections, shape.interval, shape.mails_per_connection, shape.refused_share, shape.rules) == (0, 0.0, 0, 0.0, ())
        assert shaping.version == ""


def test_a_file(tmp_path) -> None:
    """It is read, or what is wrong with it is said with its path; an empty one is more likely a slip than a wish."""
    path = tmp_path / "mine.toml"
    path.write_text(TEXT)
    assert read(str(path)).version == version_of(TEXT)
    for content, said in ((b"", "it is empty"), (b"\xff\xfe", "not UTF-8"), (b"x" * (MAX_OCTETS + 1), "are the most"), (b"[a", "not TOML")):
        path.write_bytes(content)
        with pytest.raises(SettingsInvalid, match=said):
            read(str(path))
    with pytest.raises(SettingsInvalid, match="can't be read"):
        read(str(tmp_path / "absent.toml"))
