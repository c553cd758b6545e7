"""What each command takes, calls and prints.

rich, torch, pandas and the rest are imported by the command that needs them, so that `evalshift --help` is quick.
"""
