"""Pages that open from disk, without a network: their templates, and what goes into them."""
