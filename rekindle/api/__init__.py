"""`/api/v1`: what programs may read and do, with an API key."""
