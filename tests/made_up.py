"""Passwords and keys that the tests give to what they start themselves: none of them opens anything else."""

PASSWORD = "not-a-real-password"
MASTER_KEY, MODEL_KEY, SALT_KEY = (f"sk-not-a-real-{name}-key" for name in ("master", "model", "salt"))
