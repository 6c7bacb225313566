"""How sure a number is: intervals over queries and seeds, and tests of differences."""
