"""Whether the network and the probes of the package still score what was published, on the test split of a corpus."""
