"""A search as a file: CSV, Parquet or XLSX, made while it is read, so that its size never stands in memory."""
