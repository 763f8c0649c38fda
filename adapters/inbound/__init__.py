"""Mail that comes back to us: bounces, complaints, automatic replies and real ones."""
