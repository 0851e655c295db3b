#!/usr/bin/env bash
# Tests the router's own routes against their OpenAPI description with schemathesis: the compiled server, three simulated workers.
# SCHEMATHESIS names the command (default schemathesis), EXAMPLES how many requests are made up for each route (default 100), SEED
# from which number chance begins (default 1); further arguments are schemathesis's own.
set -uo pipefail
cd "$(dirname "$0")/.."

if ! schemathesis=$(command -v "${SCHEMATHESIS:-schemathesis}"); then
  echo "schemathesis is not installed, so nothing was tested. To install it:" >&2
  echo "  python3 -m venv ~/.schemathesis && ~/.schemathesis/bin/pip install schemathesis" >&2
  echo "  SCHEMATHESIS=~/.schemathesis/bin/schemathesis npm run test:schemathesis" >&2
  exit 3
fi
if [ ! -e build/server.js ]; then
  echo "build/server.js is missing: run npx tsc first" >&2
  exit 3
fi

folder=$(mktemp -d)
log=$folder/router.log
node build/server.js --port 0 --prometheus-port 0 --simulated-workers 3 > "$log" 2>&1 &
router=$!
trap 'kill "$router" 2> /dev/null; wait "$router"; rm -rf "$folder"' EXIT

url=
for _ in $(seq 100); do
  url=$(grep -oE 'listening on http://[0-9.:]+' "$log" | cut -d' ' -f3)
  [ -n "$url" ] && grep -q '"to":"ready"' "$log" && break
  sleep 0.1
done
if [ -z "$url" ]; then
  cat "$log" >&2
  exit 1
fi

config=$PWD/scripts/schemathesis.toml
run () (
  # it keeps what failed in the folder it runs in
  cd "$folder" && "$schemathesis" --config-file "$config" run "$url/router/openapi.json" --no-color --seed "${SEED:-1}" --max-examples "${EXAMPLES:-100}" \
    --suppress-health-check all "$@"
)

status=0
# without workers, as removing leaves it, a 503 would be right
echo "== all routes but those that remove workers"
run --exclude-path /remove_worker --exclude-method DELETE "$@" || status=1
echo "== routes that change the list of workers"
run --include-path /workers --include-path '/workers/{url}' --include-path /add_worker --include-path /remove_worker --include-path /list_workers "$@" || status=1

if ! kill -0 "$router" 2> /dev/null; then
  echo "the router has died:" >&2
  tail -n 5 "$log" >&2
  status=1
elif grep -E '"level":(50|60)' "$log" >&2; then
  echo "the router has logged errors" >&2
  status=1
fi
exit $status
