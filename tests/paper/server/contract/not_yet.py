"""What the exchange does not offer yet: "METHOD /template" per line. Who offers an operation deletes its line."""

NOT_YET: set[str] = set()
