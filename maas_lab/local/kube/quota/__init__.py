"""Quotas: what objects use, who is held to how much of it, and the refusal of what would be more."""
