#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Guards living beside KVM: with kvm-intel loaded first, loading Vellum or creating a VM on it answers EBUSY with one
# clear line and KVM still works; afterwards, without kvm, Vellum works; and the other way round. On a CPU without EPT
# (lab -M core2_penryn_t9600 --none) it guards instead that the load error names the missing feature.
set -u
. "$(dirname "$0")/../lib/tap.sh"

dir=$(dirname "$0")
probe=$dir/hypercall		# any small test that needs a VM
vendor=kvm-intel
grep -q -w svm /proc/cpuinfo && vendor=kvm-amd

works() {
	VELLUM_DEVICE=$1 "$probe" >/tmp/probe.log 2>&1
}

# The lines our module has written since the last look
log_lines() {
	dmesg | sed -n "$((seen + 1)),\$p" | grep -i vellum
}

mark() {
	seen=$(dmesg | wc -l)
}

missing() {
	mark
	modprobe vellum 2>/tmp/modprobe.log
	tap_result $(($? == 0)) "loading fails"
	[ ! -e /dev/vellum ]
	tap_result $? "no device is left"
	log_lines | sed 's/^/# /'
	log_lines | grep -q -E 'EPT|unrestricted guest'
	tap_result $? "the message names the missing feature"
	[ "$tap_failed" -eq 0 ] || sed 's/^/# /' /tmp/modprobe.log
	tap_end
}

if [ $vendor = kvm-intel ] && ! grep -q -w ept /proc/cpuinfo; then
	missing
fi
rmmod vellum 2>/dev/null	# the lab may have loaded it

modprobe $vendor
works /dev/kvm
tap_result $? "stock KVM works first"
mark
if modprobe vellum 2>/tmp/modprobe.log; then
	# loaded, but no VM may come of it
	works /dev/vellum
	tap_result $(($? == 0)) "no VM beside a loaded KVM"
	grep -q -i 'busy' /tmp/probe.log
	tap_result $? "the errno is EBUSY"
else
	tap_result 0 "Vellum does not load beside KVM"
	grep -q -i 'busy' /tmp/modprobe.log
	tap_result $? "the errno is EBUSY"
fi
[ "$(log_lines | wc -l)" -ge 1 ]
tap_result $? "the kernel log says why"
log_lines | sed 's/^/# /'
works /dev/kvm
tap_result $? "stock KVM still works"

rmmod vellum 2>/dev/null
rmmod "$(echo $vendor | tr - _)" && rmmod kvm
tap_result $? "stock KVM unloads"
modprobe vellum && works /dev/vellum
tap_result $? "Vellum works once KVM is gone"
rmmod vellum && modprobe $vendor && works /dev/kvm
tap_result $? "stock KVM works again after Vellum"
[ "$tap_failed" -eq 0 ] || sed 's/^/# /' /tmp/probe.log /tmp/modprobe.log
rmmod "$(echo $vendor | tr - _)" kvm
modprobe vellum
tap_end
