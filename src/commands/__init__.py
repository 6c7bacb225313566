"""One work module per command: where data, evaluation, search and tracking meet. Only entrances import from here."""
