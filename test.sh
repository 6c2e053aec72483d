#!/usr/bin/env bash
# Installs what the tests need and this machine lacks, checks the format, builds, compiles the program natively,
# and runs every test. The tests that start the program start the native one.
#
#   ./test.sh                  everything
#   ./test.sh Process Tidy     the tests that have one of these words in their full name
#
# The last line is "N passed, N failed, N skipped". The exit status is 0 if tests ran and none failed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

configuration=Release
native=artifacts/native
passed=0 failed=0 skipped=0
# Whatever builds and tests leave among the temporary files goes with this folder.
export TMPDIR; TMPDIR=$(mktemp -d)
# One test runs as another user.
chmod 711 "$TMPDIR"
results=$TMPDIR/results.xml
trap 'rm -rf "$TMPDIR"; echo "$passed passed, $failed failed, $skipped skipped"' EXIT
# The runtime's diagnostic pipes are the exception: a process that is killed leaves them.
export DOTNET_EnableDiagnostics=0

# Nothing of the build may outlive this script.
export MSBUILDDISABLENODEREUSE=1 DOTNET_CLI_USE_MSBUILD_SERVER=0 UseSharedCompilation=false
export DOTNET_NOLOGO=1 DOTNET_CLI_TELEMETRY_OPTOUT=1

has_program() { command -v "$1" >/dev/null; }

# One line for each thing that is missing: the packages that bring it, in the order of preference.
missing() {
  has_program chromium || echo "chromium"
  has_program strace || echo "strace"
  has_program clang || has_program gcc || echo "clang"
  has_program openssl || echo "openssl"
  has_program python3 || echo "python3"
}

install_missing() {
  local choices package
  if [ -z "$(missing)" ]; then return; fi
  if [ "$(id -u)" != 0 ] || ! has_program apt-get; then
    echo "The tests need these Debian packages (one of each line); as root this script installs them:" >&2
    missing >&2
    exit 1
  fi
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  while read -r choices; do
    for package in $choices; do
      if apt-get install -qq -y --no-install-recommends "$package" >/dev/null 2>&1; then break; fi
    done
  done < <(missing)
  if [ -n "$(missing)" ]; then
    echo "These could not be installed:" >&2
    missing >&2
    exit 1
  fi
}

# publish PROJECT NAME: compiles it natively, to $native/NAME.
publish() {
  dotnet publish "$1" --configuration "$configuration" -p:PublishAot=true --artifacts-path "$native/build" \
    --output "$native/$2" --disable-build-servers -warnaserror -v quiet
}

# count NAME: an attribute of the assembly in the results.
count() { grep -o '<assembly [^>]*' "$results" | grep -o " $1=\"[0-9]*" | grep -o '[0-9]*$'; }

# Started in the background, this script ignores the signals of the terminal, and so would all that it starts:
# but tests send them.
reset=()
if env --default-signal=HUP true 2>/dev/null; then reset=(env --default-signal=HUP,INT,QUIT); fi

# run HOST...: runs the tests of one host. A runner that crashed wrote no results: that is a failure too.
run() {
  local status=0
  rm -f "$results"
  "${reset[@]}" "$@" -noColor -xml "$results" "${filter[@]}" </dev/null || status=$?
  passed=$((passed + $(count passed || echo 0)))
  failed=$((failed + $(count failed || echo 1) + $(count errors || echo 0)))
  skipped=$((skipped + $(count skipped || echo 0) + $(count not-run || echo 0)))
  if [ "$status" != 0 ] && [ "$failed" = 0 ]; then failed=1; fi
}

install_missing
dotnet restore --disable-build-servers -v quiet
dotnet format --verify-no-changes --no-restore
dotnet build --configuration "$configuration" --no-restore --disable-build-servers -warnaserror -v quiet
publish src/Letterbox letterbox
publish tests/NativeTests nativetests
export LETTERBOX_TEST_EXECUTABLE=$PWD/$native/letterbox/letterbox

filter=()
for word in "$@"; do filter+=(-method "*$word*"); done
run dotnet exec "tests/Letterbox.Tests/bin/$configuration/net10.0/Letterbox.Tests.dll"
run "$native/nativetests/NativeTests"
if [ "$passed" = 0 ] || [ "$failed" != 0 ]; then exit 1; fi
