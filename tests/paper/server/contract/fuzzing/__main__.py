"""The long run: start an exchange, ask it everything, print what Schemathesis says."""

import argparse
import sys
import tempfile
from pathlib import Path

from tests.conftest import REFERENCE
from tests.paper.server.contract.fuzzing import run_schemathesis
from tests.support.paper import start_paper


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=50, help="per operation and phase (default 50)")
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    if not REFERENCE.is_dir():
        print(f"The exchange's reference files are not on this machine (looked in {REFERENCE}).")
        return 2
    with tempfile.TemporaryDirectory() as folder:
        paper = start_paper(Path(folder), "--no-bots")
        try:
            done = run_schemathesis(
                paper, REFERENCE, examples=chosen.examples, phases="examples,coverage,fuzzing", seed=chosen.seed
            )
        finally:
            paper.stop()
    print(done.stdout)
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
