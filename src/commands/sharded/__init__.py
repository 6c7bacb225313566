"""What the commands on shards of codes share: their items, units of work, queries, results and reports."""
