"""The parts of a study: each makes tables from the collected frames, and may tell numbers beside them."""
