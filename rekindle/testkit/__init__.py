"""Plays the tests of a workspace on a clock of their own, with the engine that runs in earnest."""
