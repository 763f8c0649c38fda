"""What would happen: the engine on a scratch copy, with a clock of its own and no way out."""
