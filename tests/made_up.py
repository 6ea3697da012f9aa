"""Passwords and keys that the tests give to what they start themselves: none of them opens anything else."""

PASSWORD = "not-a-real-password"


def key(name: str, begins: str = "sk-") -> str:
    """Return a key that opens nothing, and says so."""
    return f"{begins}not-a-real-{name}-key"


MASTER_KEY, MODEL_KEY, SALT_KEY = map(key, ("master", "model", "salt"))
