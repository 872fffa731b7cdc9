"""Starts and keeps the embedded set: redis, paper exchange, web, workers, beat, gateway.

`python -m kalshi_desk.supervisor` (what `make run` calls). A team's installation starts the same
programs by docker-compose or by its own service manager and does not need this package.

Django is loaded once in the parent, which opens no connection and starts no thread; every Python
process is then forked from it. That makes a start take seconds on two cores and lets the processes
share most of their memory (docs/adr/0008-fork-the-embedded-set.md).
"""
