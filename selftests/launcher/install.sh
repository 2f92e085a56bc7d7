#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Guards what make install puts under PREFIX, that make uninstall takes exactly that away, that the headers compile
# from there, and that program, man pages and dkms.conf tell one version. The modules are left out: no kernel is needed.
. "$(dirname "$0")/../lib/tap.sh"
top=$(realpath "$(dirname "$0")/../..")
prefix=$tmp/root/usr/local

# do_make TARGET: without building anything; depmod gets an empty folder
do_make() {
	make -s -C "$top" -o tools -o modules_install DESTDIR="$tmp/root" PREFIX=/usr/local \
		INSTALL_MOD_PATH="$tmp/root" KDIR=/nowhere KVER=0.0 "$1"
}

files() {
	(cd "$prefix" && find . -type f | sort)
}

compile() {
	for h in vellum vellumfs vhost_blk; do
		echo "#include <linux/$h.h>"
	done | cc -I"$prefix/include" -Wall -Werror -x c -fsyntax-only -
}

same_version() {
	version=$("$VELLUM" version | sed 's/^vellum //')
	grep -qxF "PACKAGE_VERSION=\"$version\"" "$top/dkms.conf" || return 1
	for page in "$prefix"/share/man/man*/*; do
		grep -q "^\.TH .* \"Vellum $version\" " "$page" || return 1
	done
}

mkdir -p "$tmp/root/lib/modules/0.0" "$prefix/include/linux"
touch "$tmp/root/lib/modules/0.0/modules.order" "$tmp/root/lib/modules/0.0/modules.builtin"
echo other >"$prefix/include/linux/other.h"
cat >"$tmp/want" <<-END
	./bin/vellum
	./include/linux/other.h
	./include/linux/vellum.h
	./include/linux/vellumfs.h
	./include/linux/vhost_blk.h
	./share/man/man1/vellum-run.1
	./share/man/man1/vellum.1
	./share/man/man5/vellumfs.5
END

expect 'make install' do_make install
files >"$tmp/out"
expect 'the program, man pages and headers are installed' diff "$tmp/want" "$tmp/out"
expect 'the installed headers compile' compile
expect 'one version everywhere' same_version
expect 'make uninstall' do_make uninstall
files >"$tmp/out"
echo ./include/linux/other.h >"$tmp/want"
expect 'nothing is left, and nothing else is gone' diff "$tmp/want" "$tmp/out"
tap_end
