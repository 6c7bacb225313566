"""The engine: every query against every database item, counted and ranked."""
