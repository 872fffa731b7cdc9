"""Steps of a rule (told while nobody acknowledges) as the editor shows and reads them, and in words."""

from collections.abc import Iterator, Sequence

from django.http import QueryDict

from apps.accounts.models import User
from apps.monitoring.alerts.escalation import STEPS_AT_MOST, Step, steps_of
from apps.monitoring.alerts.models import AlertRule, AlertWebhook

SAME, ROLE, PERSON = "same", "role:", "user:"  # whom a step tells, as the form's one list says it


def steps_typed(sent: QueryDict) -> list[Step]:
    """Read the steps that have minutes; what is not a number is no step."""
    found = []
    for number in range(1, STEPS_AT_MOST + 1):
        after = number_of(sent.get(f"step{number}_after", ""))
        if after is None:
            continue
        to = sent.get(f"step{number}_to", SAME)[:60]
        found.append(
            Step(
                after=after,
                roles=(to.removeprefix(ROLE),) if to.startswith(ROLE) else (),
                user_id=number_of(to.removeprefix(PERSON)) if to.startswith(PERSON) else None,
                by_browser=sent.get(f"step{number}_browser") == "yes",
                by_mail=sent.get(f"step{number}_mail") == "yes",
                webhook_id=number_of(sent.get(f"step{number}_webhook", "")),
            )
        )
    return found


def step_rows(steps: Sequence[Step]) -> Iterator[tuple[int, dict[str, object]]]:
    """Yield a line of the editor for each step that a rule may have."""
    for number in range(1, STEPS_AT_MOST + 1):
        step = steps[number - 1] if number <= len(steps) else None
        if step is None:
            yield number, {"after": None, "to": SAME, "by_browser": True, "by_mail": False, "webhook": None}
            continue
        to = SAME if step.user_id is None else f"{PERSON}{step.user_id}"
        if step.roles:
            to = f"{ROLE}{step.roles[0]}"
        yield (
            number,
            {
                "after": step.after,
                "to": to,
                "by_browser": step.by_browser,
                "by_mail": step.by_mail,
                "webhook": step.webhook_id,
            },
        )


def step_words(rule: AlertRule) -> list[str]:
    """Say each step: "after 5 min the leads by e-mail"."""
    steps = steps_of(rule)
    people = User.objects.in_bulk({step.user_id for step in steps if step.user_id is not None})
    hooks = AlertWebhook.objects.in_bulk({step.webhook_id for step in steps if step.webhook_id is not None})
    found = []
    for number, step in enumerate(steps):
        whom = "me" if rule.owner_id is not None else "the same people"
        if step.user_id is not None:
            person = people.get(step.user_id)
            whom = "somebody who left" if person is None else person.display_name or person.get_username()
        elif step.roles:
            whom = ", ".join(f"every {role.replace('-', ' ')}" for role in step.roles)
        hook = None if step.webhook_id is None else hooks.get(step.webhook_id)
        by = [word for word, is_on in (("browser", step.by_browser), ("e-mail", step.by_mail)) if is_on]
        by += [] if hook is None else [f"webhook {hook.name}"]
        found.append(f"after {step.after} {'min' if number == 0 else 'more'}: {whom} by {', '.join(by)}")
    return found


def number_of(raw: str) -> int | None:
    return int(raw) if raw.isascii() and raw.isdecimal() and len(raw) < 16 else None
