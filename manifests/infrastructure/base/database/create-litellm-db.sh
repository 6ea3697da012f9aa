# The image sources this at every start, before it opens its network port. The image makes the one database that
# POSTGRESQL_DATABASE names; the gateway needs a second one. Running this again changes nothing.
if [ -z "$(psql -d postgres -tAc "SELECT 1 FROM pg_database WHERE datname = 'litellm_db'")" ]; then
    createdb --owner="$POSTGRESQL_USER" litellm_db
fi
