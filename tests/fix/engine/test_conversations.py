"""Every written conversation of conversations/*.fix, each played on the kinds of session that it names."""

import pytest

from tests.fix.engine.talk import Case, Talk, cases

CASES = cases()


@pytest.mark.parametrize("case", CASES, ids=str)
def test_conversation(case: Case) -> None:
    Talk(case).play()


def test_there_are_as_many_as_promised() -> None:
    assert len(CASES) >= 150
    assert len({str(case) for case in CASES}) == len(CASES)


def test_a_conversation_that_is_not_kept_fails() -> None:
    for lines in (["logon", "> 35=0"], ["logon", "< 35=1|112=a"], ["logon", "note x"], ["logon", "= ended lost"]):
        with pytest.raises(AssertionError):
            Talk(Case("wrong", "RT", list(enumerate(lines)))).play()
