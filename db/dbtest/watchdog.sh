# Ends a test server that nobody has been connected to for a while. It takes the directory of the server, and
# the seconds to wait: without and with a database that was kept. It goes when the server goes.
dir=$1
idle=$2
kept=$3

running() {
  read -r pid 2>/dev/null <"$dir/data/postmaster.pid" || return 1
  case $pid in '' | *[!0-9]*) return 1 ;; esac
  kill -0 "$pid" 2>/dev/null
}

connected() {
  read -r port 2>/dev/null <"$dir/port" || return 1
  if [ -r /proc/net/tcp ]; then
    hex=$(printf '%04X' "$port")
    while read -r _ here _ state _; do
      case $here in *":$hex") [ "$state" = 01 ] && return 0 ;; esac
    done </proc/net/tcp
    return 1
  fi
  netstat -an 2>/dev/null | grep -q "127\.0\.0\.1\.$port .*ESTABLISHED"
}

quiet=0
while running; do
  sleep 1
  if connected; then
    quiet=0
    continue
  fi
  quiet=$((quiet + 1))
  limit=$idle
  [ -e "$dir/kept" ] && limit=$kept
  [ "$quiet" -lt "$limit" ] && continue
  # From here on clients wait until the server is gone; one that came before this is seen now.
  : >"$dir/stopping"
  if connected; then
    rm -f "$dir/stopping"
    quiet=0
    continue
  fi
  kill -INT "$pid"
  seconds=0
  while running && [ "$seconds" -lt 30 ]; do
    sleep 1
    seconds=$((seconds + 1))
  done
  running && kill -QUIT "$pid"
  rm -f "$dir/stopping"
  exit
done
