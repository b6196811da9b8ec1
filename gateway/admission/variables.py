"""Mails with variables: templates are checked once a call, each mail's variables before it is accepted. Pure.

What the caller could mend is refused here, and does not bounce later.
A mail is rendered here when it is the first of its call, or when one of its variables seems to be missing or could begin a header field:
a template may do without a variable (`default`, `is defined`), and only rendering tells.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from gateway.admission.addresses import has_controls
from gateway.admission.contents import Checked
from gateway.admission.faults import Faults
from gateway.admission.limits import MAX_LINE, Limits
from mailgate.mail import Mail, Parts
from mailgate.template.content import Templates, Unrenderable, compiled
from mailgate.template.variables import Unreadable, read

_GIVERS = {"mail": "the mail does not give", "shared": "neither the entry nor shared gives"}


@dataclass(slots=True)
class Variables:
    """A call's templates, and the variables that its mails share."""

    templates: Templates
    shared: Mapping[str, Any]
    octets: int
    """Of the shared ones' JSON."""
    giver: str
    limits: Limits

    def check(self, own: bytes, field: str, faults: Faults, *, render: bool) -> None:
        """Note what is wrong with the variables of one mail. A microsecond, and some more when it is to be rendered."""
        if self.octets + len(own) > self.limits.max_variables_bytes:
            allowed = self.limits.max_variables_bytes
            faults.add_large(f"{field}.variables", f"{self.octets + len(own):,} octets of variables, at most {allowed:,} are allowed")
            return
        try:
            variables = {**self.shared, **read(own)} if own else self.shared
        except Unreadable as reason:
            faults.add(f"{field}.variables", str(reason))
            return
        if render or self.templates.missing(variables) or self._may_break(variables):
            self._render(variables, field, faults)

    def _may_break(self, variables: Mapping[str, Any]) -> bool:
        """A value of the subject holds what could end it, or values of its own, which are not looked at here."""
        for name in self.templates.subject_words:
            value = variables.get(name)
            if (type(value) is str and has_controls(value)) or type(value) in (list, dict):
                return True
        return False

    def _render(self, variables: Mapping[str, Any], field: str, faults: Faults) -> None:
        try:
            parts = self.templates.render(variables)
        except Unrenderable as reason:
            faults.add(f"{field}.variables", self._explain(reason))
            return
        if fault := self._fault_of(parts):
            faults.add(f"{field}.variables", fault)

    def _explain(self, reason: Unrenderable) -> str:
        if reason.missing:
            return f"the template needs {', '.join(reason.missing)}, which {self.giver} ({reason.field}, line {reason.line})"
        return f"the template cannot be rendered with them: {reason}"

    def _fault_of(self, parts: Parts) -> str:
        if has_controls(parts.subject):
            return "the subject made with them holds CR, LF, NUL or another control character, which could begin another header field"
        if len(parts.subject) > MAX_LINE:
            return f"the subject made with them has {len(parts.subject):,} characters, at most {MAX_LINE} are allowed"
        if "\0" in parts.text or "\0" in parts.html:
            return "the text made with them holds a NUL character, which no message may (RFC 5322 4)"
        if not parts.text and not parts.html:
            return "text and html made with them are empty: there would be nothing to read"
        size = len(parts.text.encode()) + len(parts.html.encode())
        if size > self.limits.max_mail_bytes:
            return f"text and html made with them have {size:,} octets, at most {self.limits.max_mail_bytes:,} are allowed"
        return ""


def open_variables(mail: Mail, field: str, limits: Limits, faults: Faults) -> Variables | None:
    """The call's, of a mail whose parts are templates; None when something is wrong, which is noted with field and line."""
    if not isinstance(mail.content, Parts):
        if mail.content is not None:
            faults.add(f"{field}.variables", "`raw` is a whole message and no template: give `parts`, or leave all variables out")
        return None
    if len(mail.variables) > limits.max_variables_bytes:
        allowed = limits.max_variables_bytes
        faults.add_large(f"{field}.variables", f"{len(mail.variables):,} octets of variables, at most {allowed:,} are allowed")
        return None
    try:
        shared = read(mail.variables)
    except Unreadable as reason:
        faults.add(f"{field}.variables", str(reason))
        return None
    try:
        templates = compiled(mail.content)
    except Unrenderable as reason:
        line = f"line {reason.line}: " if reason.line else ""
        faults.add(f"{field}.parts.{reason.field}", f"{line}{reason.text}")
        return None
    return Variables(templates, shared, len(mail.variables), _GIVERS[field], limits)


def as_template(checked: Checked, variables: bytes) -> Checked:
    """The same, for nodes to render."""
    return checked._replace(content=replace(checked.content, template=True, variables=variables))
