"""`mailgate shaping`: what the shaping table says of a domain, and what would be done about a reply."""

from __future__ import annotations

import asyncio
import re
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mailgate.classes import explain as explanation
from mailgate.cli import exits, output, target
from mailgate.cli.exchanges import exchanges, name_of, stub_of
from mailgate.config.units import format_duration
from mailgate.shaping.file import read
from mailgate.verdict import Outcome, Phase, Reply

if TYPE_CHECKING:
    from mailgate.shaping.shape import Rule, Shape
    from mailgate.shaping.shaping import Found

EXITS = (
    "Exit codes: 0 done; 1 the domain does not exist, or takes no mail; 2 usage, or mistakes in the shaping file; 3 no name server answers."
)

HELP = f"""Show what mail to a domain is limited to, and what a reply of its servers would do.

The table of providers ships with Mailgate; a gateway may have another (its settings, under shaping).

Examples:

  mailgate shaping explain gmail.com "421-4.7.28 Gmail has detected an unusual rate of mail"

  mailgate shaping explain shop.example "550 5.7.1 blocked" --mx shop-example.mail.protection.outlook.com

  mailgate shaping show > mine.toml

  mailgate shaping check mine.toml

{EXITS}"""

TIMES = 3
"""Suspensions, one after the other, whose lengths are told."""
_REPLY = re.compile(r"(?P<code>[2-5]\d\d)(?:[ -](?P<text>.*))?", re.S)
_NEXT_LINE = re.compile(r"\r?\n[2-5]\d\d[ -]?")

shaping = typer.Typer(help=HELP, no_args_is_help=True)

File = Annotated[str, typer.Option("--file", metavar="FILE", help="A shaping file.", show_default="the one that ships")]
Domain = Annotated[str, typer.Argument(metavar="DOMAIN", help="Of recipients.", show_default=False)]
Said = Annotated[str, typer.Argument(metavar="REPLY", help="A server's reply, with its code.", show_default=False)]
Mx = Annotated[
    list[str], typer.Option("--mx", metavar="HOST", help="A mail server of the domain; repeat it for more. DNS is not asked then.")
]
Servers = Annotated[list[str], typer.Option("--nameserver", metavar="ADDRESS", help="Whom to ask.", show_default="the system's")]
PhaseName = Annotated[str, typer.Option("--phase", metavar="PHASE", help="Where it was said: connect, mail, rcpt, data or body.")]


EXPLAIN_HELP = f"""Say which limits apply to a domain, and what would follow a reply: for the site, and for the recipient.

The gateway's own rules over verdicts (its settings, under verdicts) are not asked.

Example: mailgate shaping explain gmail.com "421-4.7.28 Gmail has detected an unusual rate of mail"

{EXITS}"""

CHECK_HELP = f"""Say every mistake in a shaping file: key, value and cure.

Example: mailgate shaping check mine.toml

{EXITS}"""


@shaping.command("explain", help=EXPLAIN_HELP)
def explain(
    domain: Domain,
    reply: Said = "",
    mx: Mx = [],  # noqa: B006 - the parser's own way
    phase: PhaseName = "rcpt",
    file: File = "",
    nameserver: Servers = [],  # noqa: B006
    json: target.Json = False,
) -> None:
    """See EXPLAIN_HELP."""
    table = read(file)
    domain = name_of(domain, "DOMAIN")
    hosts, looked_up = [name_of(host, "--mx") for host in mx], False
    stub = stub_of(nameserver)
    found = table.find(domain, hosts)
    if not found.pattern and not mx:
        hosts, looked_up = asyncio.run(exchanges(domain, stub)), True
        found = table.find(domain, hosts)
    told = _limits(domain, found, hosts, looked_up)
    if reply:
        told |= _reply(found.shape, understood(reply, phase))
    if json:
        output.json_line(told)
        return
    output.fields(_lines(told, found.shape))


@shaping.command("show")
def show(file: File = "", json: target.Json = False) -> None:
    """Print the table as it is written: the beginning of one's own.

    Example: mailgate shaping show > mine.toml
    """
    table = read(file)
    if json:
        output.json_line({"version": table.version, "providers": sorted(table.providers), "text": table.text})
        return
    output.line(table.text.rstrip("\n"))


@shaping.command("check", help=CHECK_HELP)
def check(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A shaping file.", show_default=False)], json: target.Json = False
) -> None:
    """See CHECK_HELP."""
    table = read(file)
    rules = len({id(rule) for shape in (table.default, table.relays, *table.providers.values()) for rule in shape.rules})
    if json:
        output.json_line({"valid": True, "version": table.version, "providers": sorted(table.providers), "rules": rules})
    else:
        counts = f"{output.counted(len(table.providers), 'provider')}, {output.counted(rules, 'rule')}"
        output.line(f"{file}: no mistakes; {counts}, version {table.version}")


def understood(text: str, phase: str) -> Reply:
    """A reply as it is typed or copied from a log: `421 4.7.28 words`, `421-4.7.28 words`, or several lines.

    Raises:
        Usage: it is no reply, or the phase is none.
    """
    from sender.smtp.replies import ServerReply
    from sender.smtp.verdicts import understand

    where = Phase.__members__.get(phase.upper())
    if where is None or where in (Phase.UNKNOWN, Phase.COMPOSE):
        raise exits.Usage(f"--phase {phase!r}: write connect, mail, rcpt, data or body")
    row = _REPLY.fullmatch(text.strip().replace("\\n", "\n"))
    if row is None:
        raise exits.Usage(f"{output.printable(text[:80])!r} is no reply: it begins with a code of three digits, such as 421 or 550")
    return understand(where, ServerReply(int(row["code"]), _NEXT_LINE.sub("\n", row["text"] or "").encode()))


def _limits(domain: str, found: Found, hosts: list[str], looked_up: bool) -> dict[str, Any]:
    shape = found.shape
    if not shape.name:
        why = "it is no provider's: [default] holds"
    elif found.name == domain.lower().rstrip("."):
        why = f"{domain} is of its domains"
    else:
        why = f"{found.name} is of its mail servers ({found.pattern})"
    return {
        "domain": domain,
        "servers": hosts,
        "looked_up": looked_up,
        "provider": shape.name or "none",
        "why": why,
        "connections": shape.connections,
        "mails_per_connection": shape.mails_per_connection,
        "mails_per_second": round(1 / shape.interval, 3) if shape.interval else 0,
        "refused_share": shape.refused_share,
    }


def _reply(shape: Shape, reply: Reply) -> dict[str, Any]:
    from sender.smtp.verdicts import outcome_of

    outcome = outcome_of(reply.phase, reply) if reply.code // 100 in (2, 4, 5) else Outcome.DEFERRED
    rule = shape.rule_for(reply) if outcome is not Outcome.DELIVERED else None
    counted = reply.bounce_class in shape.refused_classes and (rule is None or rule.action != "none") and bool(shape.refused_share)
    told: dict[str, Any] = {
        "reply": " ".join(filter(None, (str(reply.code), reply.enhanced_code, output.printable(reply.text)))),
        "class": reply.bounce_class,
        "explanation": explanation(reply.bounce_class),
        "recipient": outcome.name,
        "rule": rule.key if rule else "",
        "action": rule.action if rule else "none",
    }
    if rule is not None and rule.action != "none":
        told |= _times(rule)
    told["what"] = _what(rule, outcome)
    told["counted_for_refused_share"] = counted
    return told


def _times(rule: Rule) -> dict[str, Any]:
    if rule.action != "suspend":
        return {"lasts_s": rule.lasts}
    return {"suspended_s": _suspensions(rule)}


def _suspensions(rule: Rule) -> list[float]:
    from sender.delivery.suspension import Suspension

    suspension, now, times = Suspension(), 0.0, []
    for _ in range(TIMES):
        times.append(suspension.begin(rule.lasts, rule.longest, 0.0, now))
        now += times[-1]
    return times


def _what(rule: Rule | None, outcome: Outcome) -> str:
    if outcome is Outcome.DELIVERED:
        return "nothing: it is no refusal"
    if rule is None:
        return "nothing: no rule is for this reply"
    if rule.action == "none":
        return "nothing: this rule says that the reply is not about us"
    if rule.action == "suspend":
        first, second, third = map(_duration, _suspensions(rule))
        most = _duration(rule.longest)
        return (
            f"nothing is sent there for {first}; said again, for {second}, then {third}, and never longer than {most}; then one mail tries"
        )
    half = "half the rate" if rule.action == "slow" else "half the connections"
    back = "a tenth of it comes back" if rule.action == "slow" else "one comes back"
    return f"{half}; {back} each {_duration(rule.lasts)} without complaint"


def _duration(seconds: float) -> str:
    return format_duration(timedelta(seconds=seconds))


def _lines(told: dict[str, Any], shape: Shape) -> dict[str, str]:
    """For people."""
    limits = [
        output.counted(told["connections"], "connection") if told["connections"] else "",
        f"{output.counted(told['mails_per_connection'], 'mail')} in a connection" if told["mails_per_connection"] else "",
        f"{told['mails_per_second']:g} mails a second" if told["mails_per_second"] else "",
    ]
    kinds = " or ".join(sorted(shape.refused_classes))
    lines = {
        "domain": told["domain"],
        "servers": ", ".join(told["servers"]) + (" (looked up)" if told["looked_up"] else ""),
        "provider": f"{told['provider']}: {told['why']}",
        "limits": ", ".join(filter(None, limits)) or "none",
        "rests": f"when more than {100 * told['refused_share']:g} % of what it says in 10 min is {kinds}" if told["refused_share"] else "",
    }
    if "reply" not in told:
        return lines
    rule = _rule_of(shape, told["rule"])
    return {
        **lines,
        "reply": told["reply"],
        "class": f"{told['class']}: {told['explanation']}" if told["class"] else "",
        "recipient": told["recipient"],
        "rule": f"{rule.key}: {_written(rule)}" if rule is not None else "",
        "then": told["what"] + (" (it counts among the refusals)" if told["counted_for_refused_share"] else ""),
    }


def _rule_of(shape: Shape, key: str) -> Rule | None:
    """The rule of this key."""
    return next((rule for rule in shape.rules if rule.key == key), None)


def _written(rule: Rule) -> str:
    """What it names, as it is written."""
    names = ("code", "enhanced_code", "text", "bounce_class")
    return ", ".join([f'{name} = "{value}"' for name in names if (value := getattr(rule.written, name))])
