"""All statistics of one metric of a pair, as one frozen record."""
