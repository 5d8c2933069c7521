"""Enhancing files, folders and pipes, and tables of what was heard."""
