#!/usr/bin/env bash
# The torture of tests/Letterbox.Tests/Torture, at any length: the real executable is killed with -9, frozen
# and cut off from MongoDB while clients post; afterwards journal and MongoDB are compared with what was
# thanked for. About a second and a half a kill. The last line is the result.
#
#   bench/torture.sh --kills 500
#   bench/torture.sh --kills 500 --seed 7     the clients' and the tormentor's dice as in an earlier run
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

export LETTERBOX_TORTURE_KILLS=500 LETTERBOX_TORTURE_SEED=
while [ $# -gt 0 ]; do
  case "$1" in
    --kills) LETTERBOX_TORTURE_KILLS=${2:?a number} ;;
    --seed) LETTERBOX_TORTURE_SEED=${2:?a number} ;;
    *) echo "usage: bench/torture.sh [--kills N] [--seed N]" >&2; exit 2 ;;
  esac
  shift 2
done

export MSBUILDDISABLENODEREUSE=1 DOTNET_CLI_USE_MSBUILD_SERVER=0 DOTNET_NOLOGO=1
dotnet build tests/Letterbox.Tests --configuration Release --disable-build-servers -v quiet
dotnet publish src/Letterbox --configuration Release -p:PublishAot=true --artifacts-path artifacts/native/build \
  --output artifacts/native/letterbox --disable-build-servers -v quiet
export LETTERBOX_TEST_EXECUTABLE=$PWD/artifacts/native/letterbox/letterbox
log=$(mktemp)
trap 'rm -f "$log"' EXIT
status=0
dotnet exec tests/Letterbox.Tests/bin/Release/net10.0/Letterbox.Tests.dll -noColor \
  -method "*TortureTests.Every_message*" </dev/null >"$log" 2>&1 || status=$?
if [ "$status" != 0 ]; then cat "$log"; fi
grep "^torture: " "$log" | tail -n 1
exit "$status"
