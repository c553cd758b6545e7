"""The commands of `evalshift`, one subject per file: parse, call, print."""
