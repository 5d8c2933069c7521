"""How files are written: whole or not at all, with a clear message where the disk is full; standard library only."""
