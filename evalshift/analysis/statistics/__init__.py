"""Every statistic as a pure function of arrays that returns a record with named fields; no files, tables or text."""
