# Sourced by ./run and ./test: install_missing installs what is missing.
#
# Debian 12 and Ubuntu 24.04, as root or with sudo. Silent, offline and quick when everything is
# there; apt is asked only when something is missing.

packages=(
  # to build
  g++ cmake ninja-build pkg-config git
  liburing-dev libpq-dev libsimdjson-dev libmimalloc-dev libsodium-dev libssl-dev zlib1g-dev
  libcurl4-openssl-dev libcli11-dev libspdlog-dev libfmt-dev libicu-dev
  # to test
  libgtest-dev libgmock-dev libbenchmark-dev libmsgpack-cxx-dev clang-format
  python3 python3-websockets python3-msgpack python3-nacl python3-asyncpg
  python3-aiosmtpd openssl haproxy prometheus valgrind
  python3-swift  # the library alone: tests start its servers themselves, no daemon is installed
)
# ccache and mold make builds faster; tests of poolers are skipped without pgbouncer.
optional_packages=(ccache mold pgbouncer)

say() { printf '%s\n' "$*" >&2; }

missing_of() {
  local package
  for package in "$@"; do
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] ||
      printf '%s\n' "$package"
  done
}

# Any PostgreSQL server will do; the distribution's is installed only where there is none.
have_postgresql() { compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || command -v initdb >/dev/null; }

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# The package would create and start a system-wide cluster at once. Nobody asked for one: the
# server runs private clusters, so this installation goes without, and later ones are as ever.
install_postgresql() {
  local directory=/etc/postgresql-common/createcluster.d
  as_root mkdir -p "$directory"
  echo 'create_main_cluster = false' | as_root tee "$directory/parsec-install.conf" >/dev/null
  local result=0
  apt_install postgresql || result=$?
  as_root rm -f "$directory/parsec-install.conf"
  return "$result"
}

# Packages with a service (haproxy, pgbouncer) start it when they are installed, unless this policy is
# there (invoke-rc.d(8)): the tests start their own.
without_services() {
  local policy=/usr/sbin/policy-rc.d result=0
  if [ -e "$policy" ]; then "$@"; return; fi
  printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
  as_root chmod 755 "$policy"
  "$@" || result=$?
  as_root rm -f "$policy"
  return "$result"
}

# What builds the fuzz targets (left out without it), as new as the distribution has it: the default of
# Debian 12 is too old. llvm holds the symbolizer, which makes reports readable.
clang_packages() {
  local release
  for release in 18 16; do
    if apt-cache show "clang-$release" >/dev/null 2>&1; then
      printf '%s\n' "clang-$release" "libclang-rt-$release-dev" "llvm-$release" "clang-tidy-$release"
      return
    fi
  done
}

apt_install() {
  without_services as_root env DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 \
    apt-get install -y -qq --no-install-recommends -o Dpkg::Use-Pty=0 "$@" >/dev/null </dev/null
}

install_missing() {
  local missing optional need_database=""
  mapfile -t missing < <(missing_of "${packages[@]}")
  have_postgresql || need_database=postgresql
  if [ ${#missing[@]} = 0 ] && [ -z "$need_database" ]; then return 0; fi

  say "Installing: ${missing[*]} $need_database"
  if ! command -v apt-get >/dev/null; then
    say "This is no Debian or Ubuntu: please install the equivalents of these packages yourself."
    return 1
  fi
  if [ "$(id -u)" != 0 ] && ! command -v sudo >/dev/null; then
    say "Please run as root, or install sudo."
    return 1
  fi
  as_root apt-get update -qq </dev/null || say "apt-get update failed; trying with the lists that are there."
  if [ -n "$need_database" ]; then install_postgresql || return 1; fi
  if [ ${#missing[@]} != 0 ]; then apt_install "${missing[@]}" || return 1; fi
  mapfile -t optional < <(missing_of "${optional_packages[@]}" $(clang_packages))
  if [ ${#optional[@]} != 0 ]; then
    apt_install "${optional[@]}" || say "Going on without: ${optional[*]}"
  fi
}
