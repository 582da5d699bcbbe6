"""Files of a run: written whole or not at all, fetched by address, results as JSON and tables."""
