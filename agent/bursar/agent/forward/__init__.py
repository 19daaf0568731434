"""Spans that are passed on: priced, named as each receiver reads them, and kept until it has taken them."""
