-- +goose Up
create table weir.tokens (
  id uuid not null,
  name text not null,
  hash bytea not null,
  scopes text[] not null,
  created_at timestamptz not null default clock_timestamp(),
  created_by text not null,
  expires_at timestamptz,
  revoked_at timestamptz,
  used_at timestamptz,
  constraint tokens_pkey primary key (id),
  constraint token_is_stored_as_its_hash check (octet_length(hash) = 32),
  constraint token_name_is_a_key check (name ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$'),
  constraint token_scopes_are_known check (cardinality(scopes) > 0 and scopes <@ array['read', 'submit', 'work', 'operate', 'admin'])
);
comment on table weir.tokens is 'Who may call the API, and what they may do. Rows of revoked tokens stay: they tell that the door was closed once, and it never opens by itself again.';
comment on column weir.tokens.id is 'UUIDv7.';
comment on column weir.tokens.name is 'Who it is, in history: actor token:NAME. Idempotency-Keys are by name, so a token may be replaced by another one of its name.';
comment on column weir.tokens.hash is 'SHA-256 of the token, which has 256 random bits. The token itself is stored nowhere.';
comment on column weir.tokens.scopes is 'What it may do: read, submit, work, operate, or admin, which is all of them.';
comment on column weir.tokens.created_at is 'When it was made.';
comment on column weir.tokens.created_by is 'Who made it: an actor.';
comment on column weir.tokens.expires_at is 'From when on it is refused; null: never by itself.';
comment on column weir.tokens.revoked_at is 'When it was revoked; null: it was not.';
comment on column weir.tokens.used_at is 'When it was used last, give or take a minute; null: never.';
comment on constraint tokens_pkey on weir.tokens is 'Each token has one row.';
comment on constraint token_is_stored_as_its_hash on weir.tokens is 'SHA-256 has 32 bytes.';
comment on constraint token_name_is_a_key on weir.tokens is '1 to 128 letters, digits, ".", "_" and "-", the first one a letter or digit: it is part of an actor.';
comment on constraint token_scopes_are_known on weir.tokens is 'At least one of read, submit, work, operate and admin.';
create unique index token_is_unique on weir.tokens (hash);
comment on index weir.token_is_unique is 'Finds the token of a call.';
create unique index token_name_is_used_once on weir.tokens (name) where revoked_at is null;
comment on index weir.token_name_is_used_once is 'Two tokens of a name only when one of them is revoked.';

create table weir.sessions (
  hash bytea not null,
  token_id uuid not null,
  created_at timestamptz not null default clock_timestamp(),
  expires_at timestamptz not null,
  constraint sessions_pkey primary key (hash),
  constraint session_is_of_a_token foreign key (token_id) references weir.tokens (id) on delete cascade,
  constraint session_is_stored_as_its_hash check (octet_length(hash) = 32)
);
comment on table weir.sessions is 'Browsers that have signed in with a token. A session may what its token may, and ends with it.';
comment on column weir.sessions.hash is 'SHA-256 of what the cookie holds.';
comment on column weir.sessions.token_id is 'The token that it was opened with: weir.tokens.id.';
comment on column weir.sessions.created_at is 'When somebody signed in.';
comment on column weir.sessions.expires_at is 'From when on it is refused.';
comment on constraint sessions_pkey on weir.sessions is 'Finds the session of a call.';
comment on constraint session_is_of_a_token on weir.sessions is 'Without its token there is no session.';
comment on constraint session_is_stored_as_its_hash on weir.sessions is 'SHA-256 has 32 bytes.';
create index sessions_of_token on weir.sessions (token_id);
comment on index weir.sessions_of_token is 'For the foreign key.';
create index sessions_expire on weir.sessions (expires_at);
comment on index weir.sessions_expire is 'Finds those that are over, to remove them.';

alter table weir.pulse
  add column refresh_asked_at timestamptz,
  add column refreshed_at timestamptz;
comment on column weir.pulse.refresh_asked_at is 'When somebody last asked for a full pass now (POST /v1/refresh); null: never.';
comment on column weir.pulse.refreshed_at is 'When the last full sweep had ended; null: none has.';

update weir.schema_info set version = 14, migrated_at = clock_timestamp();

-- +goose Down
alter table weir.pulse drop column refresh_asked_at, drop column refreshed_at;
drop table weir.sessions;
drop table weir.tokens;
update weir.schema_info set version = 13, migrated_at = clock_timestamp();
