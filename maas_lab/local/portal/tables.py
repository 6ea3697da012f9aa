"""The tables of the portal's own database."""

MIGRATIONS = (
    """
create table users (
    id uuid primary key default gen_random_uuid(),
    oauth_id text not null unique,
    username text not null,
    email text not null,
    full_name text not null,
    roles text[] not null,
    is_active boolean not null default true,
    at_gateway boolean not null default false,
    budget_duration text, -- as it was asked for; the gateway knows `daily` as `1d`
    created_at timestamptz not null default now(),
    last_login_at timestamptz not null default now()
);
create table models (
    id text primary key,
    gateway_ids text[] not null,
    provider text not null,
    backend_name text not null,
    api_base text not null,
    description text not null default '',
    input_cost double precision not null,
    output_cost double precision not null,
    tpm bigint,
    rpm bigint,
    max_tokens bigint,
    supports jsonb not null,
    restricted boolean not null default false,
    is_active boolean not null default true,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
create table subscriptions (
    id uuid primary key default gen_random_uuid(),
    user_id uuid not null references users,
    model_id text not null references models,
    status text not null check (status in ('active', 'pending', 'denied', 'expired', 'inactive')),
    quota_requests bigint not null,
    quota_tokens bigint not null,
    expires_at timestamptz,
    reason text not null default '',
    changed_by uuid references users, -- the status
    changed_at timestamptz not null default now(),
    metadata jsonb not null default '{}',
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    unique (user_id, model_id)
);
create table api_keys (
    id uuid primary key,
    user_id uuid not null references users,
    name text not null,
    alias text not null unique,
    prefix text not null,
    token text not null unique,
    secret bytea not null,
    models text[] not null,
    metadata jsonb not null default '{}',
    budget_duration text,
    blocked_by text not null default '',
    expires_at timestamptz,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    deleted_at timestamptz
);
create index on api_keys (user_id);
-- Every token that a key has had: spend stays with its owner when the key is rotated or deleted.
create table key_tokens (
    token text primary key,
    key_id uuid not null references api_keys
);
create index on key_tokens (key_id);
create table settings (
    name text primary key,
    value jsonb not null,
    updated_by text not null,
    updated_at timestamptz not null default now()
);
create table audit_logs (
    id bigint generated always as identity primary key,
    at timestamptz not null default now(),
    username text not null,
    user_id uuid,
    action text not null,
    target text not null default '',
    status int not null,
    code text not null default '',
    message text not null default '',
    request_id text not null
);
create index on audit_logs (at);
""",
)
