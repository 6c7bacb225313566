"""What the commands that train many runs share: cells of a grid, trials, and the proposals of a sweep."""
