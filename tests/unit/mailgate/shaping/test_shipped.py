"""The file that ships: fifteen providers, and which of the published replies of each means what."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailgate.shaping import shaping
from mailgate.shaping.file import foresee, read

ROOT = Path(__file__).parents[4]
SHIPPED = read()

PROVIDERS = {
    "apple": ("icloud.com", "mx01.mail.icloud.com"),
    "comcast": ("comcast.net", "mx2h1.comcast.net"),
    "free": ("free.fr", "mx1.free.fr"),
    "gmx": ("web.de", "mx-ha02.web.de"),
    "google": ("gmail.com", "alt1.gmail-smtp-in.l.google.com"),
    "laposte": ("laposte.net", "smtpz4.laposte.net"),
    "mailru": ("mail.ru", "mxs.mail.ru"),
    "microsoft365": ("", "example-com.mail.protection.outlook.com"),
    "netease": ("163.com", "163mx01.mxmail.netease.com"),
    "orange": ("wanadoo.fr", "smtp-in.orange.fr"),
    "outlook": ("hotmail.com", "hotmail-com.olc.protection.outlook.com"),
    "qq": ("qq.com", "mx3.qq.com"),
    "t-online": ("t-online.de", "mx00.t-online.de"),
    "yahoo": ("aol.com", "mx-aol.mail.gm0.yahoodns.net"),
    "yandex": ("yandex.ru", "mx.yandex.ru"),
}


def test_these_providers() -> None:
    """Each is found by its domain and by its servers, and has limits of its own."""
    assert sorted(SHIPPED.providers) == sorted(PROVIDERS)
    for name, (domain, host) in PROVIDERS.items():
        assert SHIPPED.find("shop.example", [host]).shape.name == name
        assert not domain or SHIPPED.find(domain).shape.name == name
        shape = SHIPPED.providers[name]
        assert min(shape.connections, shape.mails_per_connection) > 0
        assert len(shape.rules) > len(SHIPPED.default.rules)


def test_deploy_has_the_same_file() -> None:
    """Whoever looks for it beside the other files of a deployment finds it there."""
    assert (ROOT / "deploy" / "shaping.toml").read_text() == SHIPPED.text


def test_every_provider_names_its_source() -> None:
    """A page, for whoever wants to look again."""
    parts = SHIPPED.text.split("\n# ------")[2:]
    assert len(parts) == len(PROVIDERS)
    assert all("https://" in part or "http://" in part for part in parts)


def test_most_numbers_are_careful() -> None:
    """Nobody who only installs Mailgate opens hundreds of connections to a stranger."""
    assert max(shape.connections for shape in (SHIPPED.default, *SHIPPED.providers.values())) == 25


@pytest.mark.parametrize("name", sorted(PROVIDERS))
def test_no_rule_suspends_for_long_at_once(name: str) -> None:
    """A site that is well again is found within some hours, and a first suspension is an hour at the most."""
    for rule in SHIPPED.providers[name].rules:
        assert rule.lasts <= 3600
        assert rule.longest <= 6 * 3600


def test_what_ships_is_foreseen(monkeypatch: pytest.MonkeyPatch) -> None:
    """A node that has foreseen it need not parse what a gateway with that text sends."""
    foresee()

    def fail(*_: object) -> None:
        raise AssertionError("it is parsed again")

    monkeypatch.setattr(shaping, "parse_toml", fail)
    assert shaping.parse(SHIPPED.text).version == SHIPPED.version
