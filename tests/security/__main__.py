"""`python -m tests.security`: print the tests that docs/security.md names, each once, for `make security`."""

from tests.security.evidence import checks

print("\n".join(sorted({node for check in checks() for node in check.nodes})))
