"""The requests of the contract suite, by area."""
