set -eu
export DEBIAN_FRONTEND=noninteractive
cd /src || exit 1
machine=$(uname -m)
echo "machine: $machine" >&2
say() { printf '%s\n' "$1"; }
say hello
everytime && apt-get update
if grep -q debian /etc/os-release; then everytime && make; fi
