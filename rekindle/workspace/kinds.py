"""The kinds of files of a workspace that have a schema; `rekindle.workspace.library` has models."""

KINDS = ("import", "journey", "segment", "settings", "source", "survey", "test")
