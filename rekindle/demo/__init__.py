"""A generated shop: people with their own rhythms, a year of their lives, their answers to mails."""
