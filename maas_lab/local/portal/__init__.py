"""The portal of the local cluster: a service that speaks the part of LiteMaaS 0.4's REST API that the lab uses.

It keeps users, subscriptions and names of keys in its own database. Keys, limits and spend are LiteLLM's: it changes
them through LiteLLM's API, and reads them where LiteLLM keeps them, in its database.
"""
