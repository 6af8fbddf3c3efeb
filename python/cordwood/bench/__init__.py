"""The benchmark behind ``cordwood bench``: machine, peers, run, report."""
