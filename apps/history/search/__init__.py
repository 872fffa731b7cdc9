"""Search over everything that an account did: one table of columns for the page, the files and the data API."""
