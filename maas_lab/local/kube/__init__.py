"""The local cluster's Kubernetes API: a closed surface that answers as a real control plane does."""
