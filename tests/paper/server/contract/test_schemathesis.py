"""Schemathesis asks a running exchange; what it does not check is written down in fuzzing/schemathesis.toml."""

from pathlib import Path

import pytest

from tests.paper.server.contract.fuzzing import run_schemathesis
from tests.support.paper import Start

pytestmark = [pytest.mark.long, pytest.mark.process]


def test_made_up_requests_meet_no_server_error_and_no_wrong_answer(paper_processes: Start, reference: Path) -> None:
    paper = paper_processes("--no-bots")

    done = run_schemathesis(paper, reference, examples=2, phases="examples,fuzzing", seed=1)

    assert done.returncode == 0, done.stdout
    assert "Tested: 98" in done.stdout
    assert paper.process.poll() is None
