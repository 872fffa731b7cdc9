"""H8: a rotation killed anywhere leaves every key readable, and the next run finishes it."""

import itertools
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import connections

from apps.audit.services import verify
from apps.core.errors import DeskError
from apps.vault import keyfiles, sealing
from apps.vault.errors import KeyUnreadable
from apps.vault.models import ApiKey
from apps.vault.opening import forget, signer_for_key
from apps.vault.rotation import INSTALLATION, rotate
from apps.vault.services import key_id_set
from tests.support.people import actor_of, key_pem, make_account, make_desk, make_key, make_person

ROWS = 3
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def keys() -> list[ApiKey]:
    desk = make_desk()
    admin = actor_of(make_person(desk, "vault-admin"))
    rows = [make_key(admin, make_account(desk), secret=key_pem(number).encode()) for number in range(ROWS)]
    # A revoked row holds nothing to seal again and must not be in the way.
    gone = make_key(admin, make_account(desk), secret=key_pem(ROWS).encode())
    ApiKey.objects.filter(pk=gone.pk).update(status=ApiKey.Status.REVOKED, sealed=b"")
    return rows


def all_open(keys: list[ApiKey]) -> None:
    forget()
    for key in keys:
        assert signer_for_key(key.pk).headers("POST", "/trade-api/v2/portfolio/events/orders", 1)


def quiet(text: str) -> None:
    pass


def in_child(work: Callable[[], Any]) -> int:
    """Run `work` in a forked process; return its exit status as `os.waitpid` gives it."""
    connections.close_all()
    child = os.fork()
    if child == 0:
        try:
            work()
            os._exit(0)
        except BaseException:
            os._exit(1)
    return os.waitpid(child, 0)[1]


def rotate_and_die_at(step: int) -> Callable[[], None]:
    """Rotate, but end by SIGKILL at the given moment, counted over every write and everything around it."""

    def work() -> None:
        count = itertools.count(1)

        def moment(*args: Any) -> None:
            if next(count) == step:
                os.kill(os.getpid(), signal.SIGKILL)

        def around(function: Callable[..., Any]) -> Callable[..., Any]:
            def wrapped(*args: Any, **kwargs: Any) -> Any:
                moment()
                result = function(*args, **kwargs)
                moment()
                return result

            return wrapped

        keyfiles._write = around(keyfiles._write)
        Path.replace = around(Path.replace)  # type: ignore[method-assign]
        sealing.row_seal = around(sealing.row_seal)
        rotate(moment)

    return work


@pytest.mark.long
def test_h8_killed_at_every_step_every_key_opens_and_the_next_run_finishes(
    keys: list[ApiKey], private_file: Path
) -> None:
    survived = killed = 0
    for step in range(1, 60):
        status = in_child(rotate_and_die_at(step))
        if status == 0:
            survived = step
            break
        assert os.WIFSIGNALED(status), f"the rotation failed by itself at step {step}"
        killed += 1
        all_open(keys)
        # Alternate: half of the kills are followed by a run that finishes, half by another kill.
        if step % 2:
            rotate(quiet)
            all_open(keys)
            assert len(keyfiles.private_keys_load()) == 1

    assert killed >= 4 + 4 * ROWS
    assert survived
    all_open(keys)
    [current] = keyfiles.private_keys_load()
    live = ApiKey.objects.exclude(status=ApiKey.Status.REVOKED)
    assert live.count() == ROWS
    assert set(live.values_list("sealing_key_id", flat=True)) == {current}
    assert private_file.stat().st_mode & 0o777 == 0o600
    assert verify(INSTALLATION).is_intact
    assert {path.name for path in private_file.parent.iterdir()} == {"public.pem", "private.pem", ".private.pem.lock"}


def test_two_rotations_at_once_do_not_meet(keys: list[ApiKey], private_file: Path) -> None:
    with keyfiles.one_writer(private_file), pytest.raises(DeskError, match="Another run"):
        rotate(quiet)

    assert rotate(quiet) == ROWS


def test_a_key_added_while_a_rotation_is_cut_short_opens(keys: list[ApiKey]) -> None:
    class Stop(Exception):
        pass

    def stop(text: str) -> None:
        if text.startswith("row"):
            raise Stop

    with pytest.raises(Stop):
        rotate(stop)
    account = keys[0].account
    admin = actor_of(make_person(account.desk, "vault-admin"))
    late = make_key(admin, account, purpose="fix_nr", secret=key_pem(5).encode())

    all_open([*keys, late])
    assert rotate(quiet) == ROWS - 1
    all_open([*keys, late])


def test_a_row_that_does_not_open_stops_the_rotation_and_costs_no_other(keys: list[ApiKey]) -> None:
    broken = ApiKey.objects.get(pk=keys[1].pk)
    whole = bytes(broken.sealed)
    ApiKey.objects.filter(pk=broken.pk).update(sealed=whole[:-1] + bytes([whole[-1] ^ 1]))

    with pytest.raises(KeyUnreadable):
        rotate(quiet)

    all_open([keys[0], keys[2]])
    ApiKey.objects.filter(pk=broken.pk).update(sealed=whole)
    assert rotate(quiet) == 2
    all_open(keys)


def test_a_generated_key_gets_its_id_bound_by_the_rotation(keys: list[ApiKey]) -> None:
    account = keys[0].account
    admin = actor_of(make_person(account.desk, "vault-admin"))
    row = make_key(admin, account, purpose="fix_dc", key_id="", secret=None)
    key_id_set(admin, row.pk, key_id="952f88c4-8cb4-4bb9-a1e7-9a3f0f0f7a11")
    all_open([row])

    rotate(quiet)

    all_open([row])
    ApiKey.objects.filter(pk=row.pk).update(key_id="other")
    forget()
    with pytest.raises(Exception, match="changed or moved"):
        signer_for_key(row.pk)
