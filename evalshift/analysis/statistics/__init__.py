"""Each statistic as a pure function of arrays: no files, no tables, no text. Records with field names come back."""
