"""What is measured of a ranking and of codes: average precision, curves, nDCG, balance of bits."""
