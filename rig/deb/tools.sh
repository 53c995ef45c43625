#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Builds the package misc-cgroup-tools: tools/cgroup, the admin guide, and what is in deb/tools.
#
#   rig/deb/tools.sh FOLDER      the package and its .changes go to FOLDER
#
# It does not depend on a kernel. The version is the date of this clone's last commit, and the maintainer is that of
# the commit, unless DEBFULLNAME and DEBEMAIL are set.

. "$(dirname "$0")/../lib.sh"

[ $# = 1 ] || die "usage: rig/deb/tools.sh FOLDER"
mkdir -p "$1"
out=$(realpath "$1")
work=$build/deb/work-tools

need debhelper dpkg-dev help2man python3 python3-docutils git

last() {
	git -C "$top" log -1 --date="format-local:$1" --format="$2"
}

export TZ=UTC0
SOURCE_DATE_EPOCH=$(last '' %ct) || die "$top: there is no git commit; the package has the version of the last one"
export SOURCE_DATE_EPOCH
export DEBFULLNAME=${DEBFULLNAME:-$(last '' %an)} DEBEMAIL=${DEBEMAIL:-$(last '' %ae)}
version=$(last %Y%m%d.%H%M '0~%cd+g%h')
[ -z "$(git -C "$top" status --porcelain tools/cgroup rig/deb/tools Documentation/admin-guide)" ] || version+=+changed

rm -rf "$work"
mkdir -p "$work"
cp -r "$rig/deb/tools" "$work/misc-cgroup-tools"
cd "$work/misc-cgroup-tools"
cp "$top"/tools/cgroup/misc_{top,check}.py "$top/tools/cgroup/misc_alerts.yml" \
	"$top/Documentation/admin-guide/misc-cgroup.rst" .
# A name may have characters that sed knows.
name=$(sed 's/[\/&]/\\&/g' <<<"$DEBFULLNAME")
sed -i "s/@MAINTAINER@/$name <$DEBEMAIL>/" debian/control
sed -i "s/@AUTHOR@/$name/; s/@YEAR@/$(last %Y %cd)/" debian/copyright
cat >debian/changelog <<END
misc-cgroup-tools ($version) unstable; urgency=medium

  * As of commit $(last '' %h).

 -- $DEBFULLNAME <$DEBEMAIL>  $(date -R -d "@$SOURCE_DATE_EPOCH")
END
step "build misc-cgroup-tools $version" deb-tools dpkg-buildpackage --build=binary --unsigned-changes --no-check-builddeps
rm -f "$out"/misc-cgroup-tools_*
mv ../misc-cgroup-tools_*.{deb,changes,buildinfo} "$out/"
rm -rf "$work"
