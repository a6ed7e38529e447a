#!/bin/sh
# Builds dist/httpipe_VERSION_ARCHITECTURE.deb for the Debian release that it runs on: a virtual environment in /opt/httpipe with the
# dependencies of requirements.lock, the command, the unit of contrib/, man pages, completion and the documentation.
# Needs root, because the environment has to be made where it will be; `make deb` does the set-up.
set -eu
cd "$(dirname "$0")/.."

python=/usr/bin/python3 # of the release, whose minor version the environment is bound to
[ "$(id -u)" = 0 ] || { echo 'deb: needs root, to make the environment where the package will have it' >&2; exit 1; }
"$python" -c 'import ensurepip' 2>/dev/null || { echo 'deb: as root: apt-get install python3-venv' >&2; exit 1; }

folder=.cache/deb
tree=$PWD/$folder/tree
rm -rf "$folder"
mkdir -p "$tree/opt/httpipe" "$tree/DEBIAN" dist
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct 2>/dev/null || date +%s)
export SOURCE_DATE_EPOCH

# Scripts and compiled modules name the folder they are made in, so it is made to be there, for this process only. The lane of .venv
# was compiled for this machine, and runs with this release's C library or a later one.
# shellcheck disable=SC2016
unshare --mount sh -eu -c '
    mkdir -p /opt/httpipe
    mount --bind "$1/opt/httpipe" /opt/httpipe
    tools/environment.sh "$2" /opt/httpipe
' sh "$tree" "$python"
rmdir /opt/httpipe 2>/dev/null || true

put() { install -D -m "$1" "$2" "$tree/$3"; } # MODE FILE WHERE
mkdir -p "$tree/usr/bin"
ln -s /opt/httpipe/bin/httpipe "$tree/usr/bin/httpipe"
sed 's|/usr/local/bin/|/usr/bin/|; 2,6d' contrib/httpipe.service > "$folder/unit" # how to install it by hand
put 644 "$folder/unit" lib/systemd/system/httpipe.service
put 640 contrib/debian/pipeline.toml etc/httpipe/pipeline.toml
for shell in bash zsh fish; do .venv/bin/httpipe completion $shell > "$folder/$shell"; done
put 644 "$folder/bash" usr/share/bash-completion/completions/httpipe
put 644 "$folder/zsh" usr/share/zsh/vendor-completions/_httpipe
put 644 "$folder/fish" usr/share/fish/vendor_completions.d/httpipe.fish
.venv/bin/python -m tools.man_pages "$folder/man"
gzip -9n "$folder"/man/*
for page in "$folder"/man/*; do put 644 "$page" "usr/share/man/man1/${page##*/}"; done
mkdir -p "$tree/usr/share/doc/httpipe"
cp -r docs examples README.md "$tree/usr/share/doc/httpipe/"
gzip -9nc CHANGELOG.md > "$tree/usr/share/doc/httpipe/changelog.gz"
cat LICENSE pipeline/bpf/LICENSE > "$tree/usr/share/doc/httpipe/copyright"
chmod -R u=rwX,go=rX "$tree/opt" "$tree/usr"

version=$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
architecture=$(dpkg --print-architecture)
minor=$("$python" -c 'import sys; print(sys.version_info.minor)')
# Which release it is for stands in the version, so that an upgrade of the release is one of the package.
release=$(. /etc/os-release; echo "${VERSION_ID:-0}")
full=$version-1~deb$release
sed "s|@VERSION@|$full|; s|@ARCHITECTURE@|$architecture|; s|@PYTHON@|3.$minor|; s|@NEXT_PYTHON@|3.$((minor + 1))|; \
    s|@SIZE@|$(du -sk "$tree" | cut -f1)|" contrib/debian/control.in > "$tree/DEBIAN/control"
echo /etc/httpipe/pipeline.toml > "$tree/DEBIAN/conffiles"
for script in postinst prerm postrm; do put 755 contrib/debian/$script DEBIAN/$script; done
(cd "$tree" && find . -type f ! -path './DEBIAN/*' -printf '%P\0' | LC_ALL=C sort -z | xargs -0 md5sum > DEBIAN/md5sums)

package=dist/httpipe_${full}_$architecture.deb
dpkg-deb --root-owner-group -Zxz --build "$tree" "$package" >/dev/null
echo "$package"
