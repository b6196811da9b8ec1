"""Exit codes of the command line, and what a mistake looks like: one clear line, never a traceback."""

from __future__ import annotations

from mailgate.errors import (
    DeadlinePassed,
    Forbidden,
    Invalid,
    MailgateError,
    Mistake,
    SettingsInvalid,
    Unanswered,
    Unauthenticated,
    Unavailable,
)

OK = 0
REFUSED = 1
"""The mail was refused, bounced or expired, or what was asked for is not there."""
USAGE = 2
"""The command line, a file that it names, the settings or the key are wrong."""
UNREACHABLE = 3
"""No gateway (for what asks the DNS: no name server) answers, or it can take nothing now: trying again may help."""
INTERRUPTED = 130

HELP = (
    "Exit codes: 0 done; 1 the mail was refused, bounced or expired, or what was asked for is not there; 2 usage, settings or key; "
    "3 no gateway answers."
)


class Usage(MailgateError):
    """The command line is wrong: what, which value, and the cure."""

    reason = "USAGE"


class NoGateway(MailgateError):
    """Nobody said where the gateway is, or nobody answers there."""

    reason = "UNREACHABLE"


def code_of(error: MailgateError) -> int:
    """The exit code that an error ends the command with."""
    if isinstance(error, NoGateway | Unanswered | Unavailable | DeadlinePassed):
        return UNREACHABLE
    if isinstance(error, Usage | SettingsInvalid | Unauthenticated | Forbidden):
        return USAGE
    return REFUSED


def text_of(error: MailgateError) -> str:
    """For people: a line, or a head and a line for each mistake."""
    if isinstance(error, Invalid) and len(error.violations) > 1:
        return "\n".join([f"{len(error.violations)} mistakes:", *(f"  {v.field}: {v.description}" for v in error.violations)])
    if isinstance(error, SettingsInvalid):
        lines = [f"  {mistake}" for mistake in error.mistakes]
        return "\n".join(["a mistake in the settings:" if len(lines) == 1 else f"{len(lines)} mistakes in the settings:", *lines])
    return str(error) or type(error).__name__


def json_of(error: MailgateError) -> dict[str, dict[str, object]]:
    """For programs."""
    told: dict[str, object] = {"reason": error.reason, "message": str(error)}
    if isinstance(error, SettingsInvalid):
        told["reason"] = "SETTINGS_INVALID"
        told["mistakes"] = [mistake_json(mistake) for mistake in error.mistakes]
    if isinstance(error, Invalid):
        told["violations"] = [{"field": v.field, "description": v.description} for v in error.violations]
    return {"error": told}


def mistake_json(mistake: Mistake) -> dict[str, str]:
    """With its file only where that is not the settings'."""
    told = {"key": mistake.key, "value": mistake.value, "cure": mistake.cure}
    return {"file": mistake.file, **told} if mistake.file else told
