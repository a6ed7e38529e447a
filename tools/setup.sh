#!/bin/sh
# Makes a clone ready to run (`setup.sh run`), to work on (`setup.sh dev`: what `make unit` and `make check` need) or to test whole
# (`setup.sh test`: real servers and brokers too): Debian packages, .venv, the package with its BPF object and its compiled lane.
# `setup.sh demo` does without both where they are not built yet: what reads capture files needs no compiler and no privileges.
# Where no current Rust can be had, the Python decoder serves instead of the lane; HTTPIPE_LANE=0 does without on purpose.
# Repeats safely and quickly: each step looks first whether there is anything to do. Installs Debian packages only as root or through sudo,
# and names them before it does.
set -eu
cd "$(dirname "$0")/.."

purpose=${1:-run}
python=${PYTHON:-python3.11}

say() { printf 'setup: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

command -v "$python" >/dev/null || die "no $python here; name another interpreter (3.11 or later): make PYTHON=python3 $purpose"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || die "$python is older than 3.11; name another: make PYTHON=… $purpose"

sources=$(find pipeline/bpf -name '*.[ch]' | LC_ALL=C sort | xargs cat | cksum)
lane_sources=$(find lane/src lane/Cargo.* -type f | LC_ALL=C sort | xargs cat | cksum)
if [ "$purpose" = demo ]; then
    purpose=run
    [ "$(cat .venv/.object 2>/dev/null)" = "$sources" ] || export HTTPIPE_NO_BPF=1
    [ "$(cat .venv/.lane 2>/dev/null)" = "$lane_sources" ] || export HTTPIPE_LANE=0
fi
lane=${HTTPIPE_LANE:-}
[ ! -e pipeline/_lane.abi3.so ] || [ "$(cat .venv/.lane 2>/dev/null)" != "$lane_sources" ] || lane=built

# --- Debian packages -------------------------------------------------------------------------------------------------------------------------------

wanted=""
want() { # PACKAGE TEST…: wanted where the test fails
    package=$1
    shift
    if ! "$@" >/dev/null 2>&1; then wanted="$wanted $package"; fi
}
oldest_rust=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' lane/Cargo.toml)
has_rust() { # new enough for the lane
    command -v cargo && version=$(rustc --version 2>/dev/null) && version=${version#rustc } &&
        [ "$(printf '%s\n' "$oldest_rust" "${version%% *}" | sort -V | head -n 1)" = "$oldest_rust" ]
}
rust_packages() { # COMPILER CARGO RUSTFMT CLIPPY: of these what is needed here, if they are new enough
    candidate=$(apt-cache policy "$1" 2>/dev/null | sed -n 's/^  Candidate: //p')
    dpkg --compare-versions "${candidate:-0}" ge "$oldest_rust" 2>/dev/null || return
    case $purpose in dev | test) echo "$@" ;; *) echo "$1 $2" ;; esac
}
any_rust() { # Debian 12 keeps a current Rust beside its own, for browsers
    rust_packages rustc-web cargo-web rustfmt-web rust-web-clippy || rust_packages rustc cargo rustfmt rust-clippy || true
}
installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

want python3-venv "$python" -c 'import ensurepip'
if [ -z "${HTTPIPE_NO_BPF:-}" ]; then
    want clang command -v clang
    want libbpf-dev test -e /usr/include/bpf/bpf_helpers.h
    want linux-libc-dev test -e /usr/include/linux/bpf.h
    want libbpf1 "$python" -c 'import ctypes; ctypes.CDLL("libbpf.so.1")'
fi
[ "$purpose" != dev ] || want clang-format command -v clang-format
if [ "$purpose" = test ]; then
    want libpython3-dev "$python" -c 'import os, sysconfig as s; os.stat(os.path.join(s.get_config_var("LIBDIR"), s.get_config_var("LDLIBRARY")))'
    headers=linux-headers-$(dpkg --print-architecture 2>/dev/null || echo amd64)
    for package in clang-format python3-bpfcc nghttp2-client "$headers" bpftool groff-base prometheus valgrind nginx-light wrk curl iproute2 tcpdump libcap2-bin maven kcat postgresql tmux jq tshark \
        qemu-system-x86 cpio kmod e2fsprogs debian-archive-keyring; do
        want "$package" installed "$package"
    done
    # tests/tls: servers, clients and their libraries
    for package in apache2-bin haproxy wget openssl libssl-dev libcurl3-nss; do
        want "$package" installed "$package"
    done
    # tests/containers, which fetch Docker by themselves
    for package in podman runc; do
        want "$package" installed "$package"
    done
    # tests/sinks
    for package in rsyslog rsyslog-gnutls; do
        want "$package" installed "$package"
    done
    # tests/sinks: Debian 12 has a server of 2018, newer ones have none
    [ "$(. /etc/os-release && echo "${VERSION_CODENAME:-}")" != bookworm ] || want clickhouse-server installed clickhouse-server
    want golang-go command -v go
    want openjdk-17-jdk-headless command -v javac
    want nodejs command -v node
    # tests/ui: browsers, and what looks whether everybody can use the page
    want chromium command -v chromium
    want firefox-esr command -v firefox-esr
    want npm command -v npm
fi

rust=""
case $lane in 0 | built) ;; *) has_rust >/dev/null || rust=wanted ;; esac
case $purpose in dev | test) [ "$lane" = 0 ] || cargo clippy --version >/dev/null 2>&1 || rust=wanted ;; esac
# Where nothing but Rust is missing, what apt knows without fetching its lists says whether it can be had.
if [ -n "$rust" ] && [ -z "$wanted" ] && { [ "$(id -u)" = 0 ] || command -v sudo >/dev/null; }; then wanted=" $(any_rust)" rust=""; fi
wanted=${wanted# }
if [ -n "$wanted" ]; then
    command -v apt-get >/dev/null || die "please install by your distribution's means: $wanted"
    root=""
    if [ "$(id -u)" != 0 ]; then
        root=sudo
        command -v sudo >/dev/null || die "needs these Debian packages; as root: apt-get install $wanted
  Without root, see httpipe on a capture file: make demo"
    fi
    say "installing Debian packages: $wanted${rust:+, and a current Rust for the compiled lane (rustc-web or rustc)}"
    # Packages of servers start them when installed; nothing here needs that.
    quiet=/usr/sbin/policy-rc.d
    if [ ! -e $quiet ]; then
        printf '#!/bin/sh\nexit 101\n' | $root tee $quiet >/dev/null
        $root chmod +x $quiet
        trap '$root rm -f $quiet' EXIT
    fi
    $root apt-get update -qq
    [ -z "$rust" ] || wanted="$wanted $(any_rust)"
    # shellcheck disable=SC2086
    $root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $wanted >/dev/null
fi

# bcc wants the headers of the running kernel. Where Debian has none for it (a cloud's own kernel), those of its newest kernel serve our program
# well enough, if bcc finds them where it looks.
modules=/lib/modules/$(uname -r)
if [ "$purpose" = test ] && [ ! -e "$modules/build" ]; then
    newest=$(ls -d /lib/modules/*/build 2>/dev/null | sort -V | tail -n 1)
    if [ -n "$newest" ]; then
        say "linking $modules to the headers of ${newest%/build} for bcc"
        [ "$(id -u)" = 0 ] && root="" || root=sudo
        $root mkdir -p "$modules"
        $root ln -sfn "$(readlink -f "$newest")" "$modules/build"
        $root ln -sfn "$(readlink -f "${newest%/build}/source")" "$modules/source"
    fi
fi

# --- virtual environment ---------------------------------------------------------------------------------------------------------------------------

lock=requirements.lock
case $purpose in dev | test) lock=requirements-dev.lock ;; esac
object=pipeline/bpf/http_trace.bpf.o

# Which lock was installed last time, so that the second time costs nothing. The development set includes the run set.
state=$(cat requirements.lock requirements-dev.lock pyproject.toml hatch_build.py | cksum)
if [ ! -x .venv/bin/python ] || ! .venv/bin/python -c '' 2>/dev/null; then
    say "making .venv with $($python --version)"
    rm -rf .venv
    "$python" -m venv .venv
fi
if [ "$(cat .venv/.requirements-dev.lock 2>/dev/null)" != "$state" ] && [ "$(cat ".venv/.$lock" 2>/dev/null)" != "$state" ]; then
    say "installing Python packages ($lock)"
    .venv/bin/python -m pip install -q --disable-pip-version-check --no-deps --require-hashes -r $lock
    rm -f .venv/.object
    printf '%s\n' "$state" > ".venv/.$lock"
fi
case $lane in
    0 | built) ;;
    *)
        if has_rust >/dev/null; then
            say "compiling the lane (lane/, Rust)"
            if .venv/bin/python hatch_build.py lane; then printf '%s\n' "$lane_sources" > .venv/.lane; fi
        else
            say "no Rust $oldest_rust or later here (Debian 12: apt-get install rustc-web cargo-web; elsewhere: rustup.rs): without the compiled lane httpipe works, but slower"
        fi
        ;;
esac
if [ "$purpose" = test ] && ! cmp -s tests/ui/package-lock.json tests/ui/node_modules/.installed; then
    say "installing axe-core and har-schema for tests/ui (npm)"
    npm ci --prefix tests/ui --silent --no-audit --no-fund --ignore-scripts
    cp tests/ui/package-lock.json tests/ui/node_modules/.installed
fi
if [ "$(cat .venv/.object 2>/dev/null)" != "$sources${HTTPIPE_NO_BPF:-}" ] || { [ -z "${HTTPIPE_NO_BPF:-}" ] && [ ! -e $object ]; }; then
    say "installing httpipe into .venv"
    .venv/bin/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
    printf '%s\n' "$sources${HTTPIPE_NO_BPF:-}" > .venv/.object
fi
