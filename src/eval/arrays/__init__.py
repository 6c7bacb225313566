"""Arrays in the files that other code bases write."""
