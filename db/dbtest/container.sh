# The entry point of the test server's container: the image's own, and an end when nobody has been connected
# for so many seconds: without and with a database that was kept. The settings of the server follow.
idle=$1
kept=$2
shift 2
docker-entrypoint.sh postgres "$@" &
server=$!
trap 'kill -INT "$server"' TERM INT
quiet=0
while kill -0 "$server" 2>/dev/null; do
  sleep 1
  state=$(psql -U postgres -d postgres -At -F ' ' 2>/dev/null <<'SQL'
select count(a.pid), coalesce(shobj_description(d.oid, 'pg_database'), '')
from pg_database d
left join pg_stat_activity a on a.backend_type = 'client backend' and a.pid <> pg_backend_pid()
where d.datname = 'postgres'
group by d.oid
SQL
  ) || state=0
  limit=$idle
  case $state in *" kept") limit=$kept ;; esac
  case $state in "0"*) quiet=$((quiet + 1)) ;; *) quiet=0 ;; esac
  [ "$quiet" -ge "$limit" ] && kill -INT "$server"
done
