"""The option `--rule`: rules of approval as people write them."""

from typing import Final

import click
import msgspec

from events import ApprovalRule


class Rule(click.ParamType[ApprovalRule]):
    """A rule of approval as people write it: a verdict, a subject and a pattern."""

    name = "rule"

    def convert(
        self, value: str | ApprovalRule, param: click.Parameter | None, ctx: click.Context | None
    ) -> ApprovalRule:
        """Read a rule; what is wrong with it is said with an example."""
        if isinstance(value, ApprovalRule):
            return value
        verdict, subject, pattern = [*value.split(maxsplit=2), "", "", ""][:3]
        try:
            told = {"verdict": verdict, "subject": subject, "pattern": pattern}
            rule = msgspec.convert(told, ApprovalRule)
        except msgspec.ValidationError:
            rule = None
        if rule is None or not pattern:
            verdicts, subjects = "allow, ask or deny", "tool, command, path or host"
            self.fail(
                f"{value!r} is no rule. A rule is {verdicts}, then {subjects}, then a pattern, "
                "such as: ask command git push",
                param,
                ctx,
            )
        return rule


rule_option: Final = click.option(
    "--rule",
    "rules",
    type=Rule(),
    multiple=True,
    help="Decide on calls before the policy does; the first rule that matches counts. Examples: "
    "'ask command git push', 'deny path migrations', 'allow tool edit', 'ask host *.example.com'.",
)
