"""Schemathesis against a running paper exchange: made-up requests of every operation, each answer checked.

`python -m tests.paper.server.contract.fuzzing --examples 100` starts an exchange and runs it (`make contract`).
"""

import subprocess
import sys
from pathlib import Path

from tests.support.paper import PaperProcess, paper_environment

HERE = Path(__file__).resolve().parent
CONFIGURATION = HERE / "schemathesis.toml"
# What a member's budget holds must not be what is tested here.
ENDLESS = {"member": "trader-1", "tier": "prime", "deposit_cents": 100_000_000, "refill": True}


def run_schemathesis(
    paper: PaperProcess, reference: Path, *, examples: int, phases: str, seed: int
) -> subprocess.CompletedProcess[str]:
    """Ask the exchange; the return code is 0 when every answer was as it must be."""
    paper.control("POST", "/member", ENDLESS)
    command = [
        str(Path(sys.executable).with_name("schemathesis")),
        "--config-file",
        str(CONFIGURATION),
        "run",
        str(reference / "kalshi-openapi.yaml"),
        "--url",
        f"{paper.rest_url}/trade-api/v2",
        *("--phases", phases, "--max-examples", str(examples), "--seed", str(seed)),
        *("--no-color", "--continue-on-failure", "--warnings", "off", "--generation-database", "none"),
    ]
    environment = paper_environment(paper.data) | {
        "SCHEMATHESIS_HOOKS": "tests.paper.server.contract.fuzzing.hooks",
        "PAPER_JSON": str(paper.data / "paper.json"),
        "PYTHONPATH": str(HERE.parents[4]),
        "PYTHONWARNINGS": "default",  # Schemathesis' own
    }
    return subprocess.run(
        command,
        env=environment,
        cwd=paper.data,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
