"""GitOps on the local cluster: Applications follow a Git repository of this machine, as under Argo CD.

One part runs in a process of its own for each new commit (`rendering`, `repository`, `tree`): it reads a repository
that nobody vouches for, within limits, and returns objects. The other runs beside the API (`controller` and what it
asks): it compares those objects with the live ones, applies them wave by wave, and reports.
"""
