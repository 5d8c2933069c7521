"""What the masks of one trained network know: mixtures, features, probes, tables. Figures are in reports/probing."""
