"""Rows of the RFQ desk as browsers get them. Shapes: docs/rfq.md, "Rows"."""
