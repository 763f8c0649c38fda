"""A generated shop: people with rhythms of their own, a year of their lives, how they answer."""
