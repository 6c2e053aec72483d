#!/usr/bin/env bash
# After a long outage, by tests/Letterbox.Tests/Torture/BacklogTests.cs with a backlog of any length: the rate
# of the relay against a bare loop of inserts, the memory of the store process while the backlog goes to
# MongoDB, and for how long those wait who leave new messages meanwhile. The last two lines are the result.
#
#   LETTERBOX_TEST_MONGODB_URI=mongodb://... bench/backlog.sh --messages 1000000
#
# Without a server named, the scripted one of the tests is the MongoDB: it keeps all of it in memory, and says
# little about a real one.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

export LETTERBOX_BACKLOG_MESSAGES=100000
case "${1-}" in
  "") ;;
  --messages) LETTERBOX_BACKLOG_MESSAGES=${2:?a number} ;;
  *) echo "usage: bench/backlog.sh [--messages N]" >&2; exit 2 ;;
esac

export MSBUILDDISABLENODEREUSE=1 DOTNET_CLI_USE_MSBUILD_SERVER=0 DOTNET_NOLOGO=1
dotnet build tests/Letterbox.Tests --configuration Release --disable-build-servers -v quiet
dotnet publish src/Letterbox --configuration Release -p:PublishAot=true --artifacts-path artifacts/native/build \
  --output artifacts/native/letterbox --disable-build-servers -v quiet
export LETTERBOX_TEST_EXECUTABLE=$PWD/artifacts/native/letterbox/letterbox
log=$(mktemp)
trap 'rm -f "$log"' EXIT
status=0
dotnet exec tests/Letterbox.Tests/bin/Release/net10.0/Letterbox.Tests.dll -noColor -maxThreads 1 \
  -class "*BacklogTests" </dev/null >"$log" 2>&1 || status=$?
if [ "$status" != 0 ]; then cat "$log"; fi
grep "^backlog: " "$log" || true
exit "$status"
