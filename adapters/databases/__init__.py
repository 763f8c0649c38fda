"""Databases of others as sources: what is read of them, and how."""
