"""The cluster's network on one machine: a loopback port for each Service, Route and pod, and who answers there."""
