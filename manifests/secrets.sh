#!/bin/sh
# Print the platform's Secrets with fresh random values, to be created once and never committed:
#   sh manifests/secrets.sh | kubectl create -n maas-system -f -
# `create` and not `apply`: a second run must fail, because new passwords would lock gateway and portal out of the
# database that still has the old ones. The values go through the pipe: no file, no argument that `ps` could show.
set -eu

# 24 random bytes in hex. Trap (d): the characters / and + of base64 break the database's address.
random() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }

secret() { # NAME KEY VALUE [KEY VALUE]...
    printf 'apiVersion: v1\nkind: Secret\nmetadata:\n  name: %s\n  labels:\n    app.kubernetes.io/part-of: maas\n' "$1"
    printf 'stringData:\n'
    shift
    while [ $# -gt 0 ]; do
        printf '  %s: "%s"\n' "$1" "$2"
        shift 2
    done
    printf -- '---\n'
}

secret postgres-secret username litemaas_admin password "$(random)"
secret litellm-secret master-key "sk-$(random)" salt-key "sk-$(random)" ui-username admin ui-password "$(random)"
secret model-secret api-key "sk-$(random)"
# Trap (c): an administrator's key without the prefix ltm_admin_ is never accepted.
secret backend-secret jwt-secret "$(random)" admin-api-keys "ltm_admin_$(random)"
