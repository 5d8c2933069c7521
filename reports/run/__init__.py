"""One page of one training: its curves, pictures, sound, tables and settings."""
