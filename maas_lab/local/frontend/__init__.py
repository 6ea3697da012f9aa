"""The portal's pages, and the way from them to the backend and to the cluster's login, at one address.

Everything that is answered here leads on by relative addresses: the same pages work at the root of a host and under a
path that a proxy in front puts before theirs, as jupyter-server-proxy does in a workbench.
"""
