// SPDX-License-Identifier: GPL-2.0-only
/*
 * What this CPU's VT-x can do, and which of it we use.
 *
 * Each control word has an MSR whose low half holds the bits that must be 1 and
 * whose high half those that may be (SDM volume 3, "VMX Capability Reporting
 * Facility"). A missing required feature is named and fails the module load.
 */
#include <linux/kernel.h>
#include <linux/moduleparam.h>
#include <linux/string.h>
#include <asm/cpufeature.h>
#include <asm/msr.h>
#include <asm/tsc.h>

#include "compat/compat.h"
#include "memory/tdp_format.h"
#include "vmx/vmx.h"

struct vmx_caps vmx_caps __ro_after_init;

/*
 * Longest stay in the guest, microseconds: a guard for CPUs where a guest's IF=0
 * delays host interrupts. More than a host tick (HZ=250), which ends most stays
 * anyway: so it costs next to nothing.
 */
#define VMX_STAY_US	5000
#define VMX_TSC_FRAC	48	/* SDM "TSC Multiplier": fraction bits */

#define BASIC_TRUE_CTLS	BIT_ULL(55)

enum vmx_word { PIN, CPU, SECONDARY, EXIT, ENTRY, NR_WORDS };

/* Without true-controls reporting the second column only serves to name what is missing. */
static const u32 word_msr[NR_WORDS][2] = {
	[PIN]	    = { MSR_IA32_VMX_TRUE_PINBASED_CTLS, MSR_IA32_VMX_PINBASED_CTLS },
	[CPU]	    = { MSR_IA32_VMX_TRUE_PROCBASED_CTLS, MSR_IA32_VMX_PROCBASED_CTLS },
	[SECONDARY] = { MSR_IA32_VMX_PROCBASED_CTLS2, MSR_IA32_VMX_PROCBASED_CTLS2 },
	[EXIT]	    = { MSR_IA32_VMX_TRUE_EXIT_CTLS, MSR_IA32_VMX_EXIT_CTLS },
	[ENTRY]	    = { MSR_IA32_VMX_TRUE_ENTRY_CTLS, MSR_IA32_VMX_ENTRY_CTLS },
};

struct vmx_need {
	enum vmx_word word;
	u32 bit;
	const char *name;
};

static const struct vmx_need required[] = {
	{ PIN, PIN_BASED_EXT_INTR_MASK, "external-interrupt exiting" },
	{ PIN, PIN_BASED_NMI_EXITING, "NMI exiting" },
	{ PIN, PIN_BASED_VIRTUAL_NMIS, "virtual NMIs" },
	{ CPU, CPU_BASED_ACTIVATE_SECONDARY_CONTROLS, "secondary controls" },
	{ CPU, CPU_BASED_INTR_WINDOW_EXITING, "interrupt-window exiting" },
	{ CPU, CPU_BASED_NMI_WINDOW_EXITING, "NMI-window exiting" },
	{ CPU, CPU_BASED_USE_TSC_OFFSETTING, "TSC offsetting" },
	{ CPU, CPU_BASED_HLT_EXITING, "HLT exiting" },
	{ CPU, CPU_BASED_MWAIT_EXITING, "MWAIT exiting" },
	{ CPU, CPU_BASED_MONITOR_EXITING, "MONITOR exiting" },
	{ CPU, CPU_BASED_RDPMC_EXITING, "RDPMC exiting" },
	{ CPU, CPU_BASED_CR8_LOAD_EXITING, "CR8-load exiting" },
	{ CPU, CPU_BASED_CR8_STORE_EXITING, "CR8-store exiting" },
	{ CPU, CPU_BASED_MOV_DR_EXITING, "MOV-DR exiting" },
	{ CPU, CPU_BASED_UNCOND_IO_EXITING, "unconditional I/O exiting" },
	{ CPU, CPU_BASED_USE_MSR_BITMAPS, "MSR bitmaps" },
	{ SECONDARY, SECONDARY_EXEC_ENABLE_EPT, "extended page tables (EPT)" },
	{ SECONDARY, SECONDARY_EXEC_UNRESTRICTED_GUEST, "unrestricted guest" },
	{ EXIT, VM_EXIT_HOST_ADDR_SPACE_SIZE, "64-bit host" },
	{ EXIT, VM_EXIT_SAVE_DEBUG_CONTROLS, "save debug controls" },
	{ EXIT, VM_EXIT_LOAD_IA32_EFER, "load EFER on exit" },
	{ ENTRY, VM_ENTRY_IA32E_MODE, "IA-32e mode guest" },
	{ ENTRY, VM_ENTRY_LOAD_DEBUG_CONTROLS, "load debug controls" },
	{ ENTRY, VM_ENTRY_LOAD_IA32_EFER, "load EFER on entry" },
	{ EXIT, VM_EXIT_LOAD_IA32_PAT, "load PAT on exit" },
	{ ENTRY, VM_ENTRY_LOAD_IA32_PAT, "load PAT on entry" },
};

/* Capabilities we switch on only at times: they are not part of the base value. */
#define CPU_AT_TIMES	(CPU_BASED_INTR_WINDOW_EXITING | CPU_BASED_NMI_WINDOW_EXITING)
#define ENTRY_AT_TIMES	VM_ENTRY_IA32E_MODE

static const u32 optional[NR_WORDS] = {
	[PIN] = PIN_BASED_VMX_PREEMPTION_TIMER,
	[SECONDARY] = SECONDARY_EXEC_ENABLE_VPID | SECONDARY_EXEC_WBINVD_EXITING |
		      SECONDARY_EXEC_PAUSE_LOOP_EXITING | SECONDARY_EXEC_TSC_SCALING,
};

/* Its name in asm/vmx.h changed between kernels. */
#define SECONDARY_XSAVES	VMCS_CONTROL_BIT(XSAVES)

/* Instructions that a guest has when its CPUID says so. */
#define SECONDARY_BY_CPUID (SECONDARY_EXEC_ENABLE_RDTSCP | SECONDARY_EXEC_ENABLE_INVPCID | \
			    SECONDARY_XSAVES)

/* Exits that user space asks for. */
#define SECONDARY_BY_VM	(SECONDARY_EXEC_BUS_LOCK_DETECTION | SECONDARY_EXEC_NOTIFY_VM_EXITING)

/* Whether the CPU logs writes depends on accessed and dirty bits in EPT entries. */
static u32 usable_at_times(u32 may, u64 ept_vpid)
{
	return ept_vpid & VMX_EPT_AD_BIT ? may : may & ~SECONDARY_EXEC_ENABLE_PML;
}

/* What vmx/apic.c wants; it is switched with the mode of each LAPIC. */
#define SECONDARY_APIC	(SECONDARY_EXEC_VIRTUALIZE_APIC_ACCESSES |	\
			 SECONDARY_EXEC_VIRTUALIZE_X2APIC_MODE |	\
			 SECONDARY_EXEC_APIC_REGISTER_VIRT | SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY)

/* Values of the parameter: each does what those before it do. */
enum { APICV_OFF, APICV_REGISTERS, APICV_DELIVERY };

static int apicv = -1;
module_param(apicv, int, 0444);
MODULE_PARM_DESC(apicv,
		 "what the CPU does of local APICs, where it can: 0 nothing, 1 registers, 2 delivery, too (default: 2 with posted interrupts, else 1)");

static u64 rdmsr_or_zero(u32 msr)
{
	u64 value;

	return rdmsrl_safe(msr, &value) ? 0 : value;
}

static bool check_required(const u64 *allowed)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(required); i++) {
		if ((allowed[required[i].word] >> 32) & required[i].bit)
			continue;
		pr_err(pr_hv_fmt("this CPU's VT-x lacks %s\n"), required[i].name);
		return false;
	}
	return true;
}

static u32 choose(enum vmx_word word, const u64 *allowed)
{
	u32 value = optional[word] & (allowed[word] >> 32);
	int i;

	for (i = 0; i < ARRAY_SIZE(required); i++)
		if (required[i].word == word)
			value |= required[i].bit;
	return value | (u32)allowed[word];
}

static bool check_paging(u64 ept)
{
	const char *missing = NULL;

	if (!(ept & VMX_EPT_PAGE_WALK_4_BIT))
		missing = "4-level EPT";
	else if (!(ept & VMX_EPTP_WB_BIT))
		missing = "write-back EPT paging structures";
	else if (!(ept & VMX_EPT_INVEPT_BIT) ||
		 !(ept & (VMX_EPT_EXTENT_CONTEXT_BIT | VMX_EPT_EXTENT_GLOBAL_BIT)))
		missing = "INVEPT";
	if (missing)
		pr_err(pr_hv_fmt("this CPU's VT-x lacks %s\n"), missing);
	return !missing;
}

static bool check_basic(u64 basic)
{
	if (!(basic & BASIC_TRUE_CTLS)) {
		pr_err(pr_hv_fmt("this CPU's VT-x lacks true-controls reporting\n"));
		return false;
	}
	if (vmx_basic_vmcs_size(basic) > PAGE_SIZE) {
		pr_err(pr_hv_fmt("this CPU's VMCS is larger than a page\n"));
		return false;
	}
	return true;
}

/* VPID without INVVPID of one context could not be flushed: do without. */
static u32 usable_secondary(u32 secondary, u64 ept_vpid)
{
	u32 vpid = ept_vpid >> 32;

	if (!(vpid & VMX_VPID_INVVPID_BIT) || !(vpid & (VMX_VPID_EXTENT_SINGLE_CONTEXT_BIT |
							VMX_VPID_EXTENT_GLOBAL_CONTEXT_BIT)))
		secondary &= ~SECONDARY_EXEC_ENABLE_VPID;
	return secondary;
}

static void set_timer(struct vmx_caps *c)
{
	u64 ticks;

	c->timer_shift = vmx_misc_preemption_timer_rate(c->misc);
	ticks = div_u64((u64)tsc_khz * VMX_STAY_US, USEC_PER_MSEC) >> c->timer_shift;
	if (ticks && ticks <= U32_MAX)
		c->timer_bound = ticks;
	else
		c->pin &= ~PIN_BASED_VMX_PREEMPTION_TIMER;
}

static bool has_posted_interrupts(const u64 *allowed)
{
	return allowed[PIN] >> 32 & PIN_BASED_POSTED_INTR;
}

/*
 * Silicon has virtual-interrupt delivery together with posted interrupts. The emulator that has
 * only the former (Bochs 2.7) delivers wrongly (see vmx/apic.c): there it is for tests.
 */
static u32 choose_apic(const u64 *allowed)
{
	u32 want = SECONDARY_APIC;
	int level = apicv;

	if (level < 0)
		level = has_posted_interrupts(allowed) ? APICV_DELIVERY : APICV_REGISTERS;
	if (level < APICV_DELIVERY)
		want &= ~SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY;
	if (level == APICV_OFF || !(allowed[CPU] >> 32 & CPU_BASED_TPR_SHADOW) ||
	    (~allowed[SECONDARY] >> 32 & want))
		return 0;
	return want;
}

static int read_caps(struct vmx_caps *c)
{
	u64 allowed[NR_WORDS];
	int i, legacy;

	c->basic = rdmsr_or_zero(MSR_IA32_VMX_BASIC);
	legacy = !(c->basic & BASIC_TRUE_CTLS);
	for (i = 0; i < NR_WORDS; i++)
		allowed[i] = rdmsr_or_zero(word_msr[i][legacy]);
	if (!check_required(allowed) || !check_basic(c->basic))
		return -EOPNOTSUPP;
	c->ept_vpid = rdmsr_or_zero(MSR_IA32_VMX_EPT_VPID_CAP);
	if (!check_paging(c->ept_vpid))
		return -EOPNOTSUPP;
	c->misc = rdmsr_or_zero(MSR_IA32_VMX_MISC);
	c->cr0_fixed0 = rdmsr_or_zero(MSR_IA32_VMX_CR0_FIXED0);
	c->cr0_fixed1 = rdmsr_or_zero(MSR_IA32_VMX_CR0_FIXED1);
	c->cr4_fixed0 = rdmsr_or_zero(MSR_IA32_VMX_CR4_FIXED0);
	c->cr4_fixed1 = rdmsr_or_zero(MSR_IA32_VMX_CR4_FIXED1);
	c->pin = choose(PIN, allowed);
	c->cpu = choose(CPU, allowed) & ~CPU_AT_TIMES;
	c->secondary = usable_secondary(choose(SECONDARY, allowed), c->ept_vpid);
	c->secondary_may = (SECONDARY_BY_CPUID | SECONDARY_BY_VM | SECONDARY_EXEC_ENABLE_PML) &
			   (allowed[SECONDARY] >> 32);
	c->secondary_may = usable_at_times(c->secondary_may, c->ept_vpid);
	c->apicv = choose_apic(allowed);
	c->stale_vectoring = (c->apicv & SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY) &&
			     !has_posted_interrupts(allowed);
	c->exit = choose(EXIT, allowed);
	c->entry = choose(ENTRY, allowed) & ~ENTRY_AT_TIMES;
	return 0;
}

#define BIOS_SIGN	0x100000000ULL	/* microcode revision 1, in the upper half */

static void describe(const struct vmx_caps *c, struct hv_caps *caps)
{
	static const u8 vmcall[HV_HYPERCALL_LEN] = { 0x0f, 0x01, 0xc1 };

	memcpy(caps->hypercall_insn, vmcall, sizeof(vmcall));
	caps->has_tsc_scaling = c->secondary & SECONDARY_EXEC_TSC_SCALING;
	caps->tsc_ratio_frac_bits = VMX_TSC_FRAC;
	caps->max_tsc_ratio = U64_MAX;
	caps->has_deadline = c->pin & PIN_BASED_VMX_PREEMPTION_TIMER;
	caps->max_page_level = c->ept_vpid & VMX_EPT_1GB_PAGE_BIT ? 3 :
			       c->ept_vpid & VMX_EPT_2MB_PAGE_BIT ? 2 : 1;
	caps->has_cmci = true;
	caps->has_bus_lock_exit = c->secondary_may & SECONDARY_EXEC_BUS_LOCK_DETECTION;
	caps->has_notify_exit = c->secondary_may & SECONDARY_EXEC_NOTIFY_VM_EXITING;
	caps->has_cstate_msrs = vmx_has_cstate_msrs();
	caps->has_arch_capabilities = true;
	caps->bios_sign = BIOS_SIGN;
	caps->logs_writes = c->secondary_may & SECONDARY_EXEC_ENABLE_PML;
	caps->has_rdtscp = c->secondary_may & SECONDARY_EXEC_ENABLE_RDTSCP;
	caps->has_invpcid = c->secondary_may & SECONDARY_EXEC_ENABLE_INVPCID;
	caps->has_xsaves = (c->secondary_may & SECONDARY_XSAVES) &&
			   boot_cpu_has(X86_FEATURE_XSAVES);
	/* XCR0 is the guest's own register; what may be in it is up to the host's FPU code. */
	caps->supported_xcr0 = U64_MAX;
	caps->supported_xss = 0;
	caps->has_umip = boot_cpu_has(X86_FEATURE_UMIP);
	caps->has_pku = boot_cpu_has(X86_FEATURE_OSPKE);
	/*
	 * CPUs that hand faulting data to later instructions (Meltdown, and its FPU
	 * form CVE-2018-3665) must not keep the VMM's registers behind CR0.TS.
	 */
	caps->lazy_fpu = !boot_cpu_has_bug(X86_BUG_CPU_MELTDOWN);
}

/**
 * vmx_caps_probe() - choose controls, or say what is missing
 * @caps: filled for shared code
 *
 * Return: 0; -ENODEV if this is not a VT-x CPU; -EOPNOTSUPP if a required
 * feature is missing, after naming it.
 */
int vmx_caps_probe(struct hv_caps *caps)
{
	int ret;

	if (!boot_cpu_has(X86_FEATURE_VMX))
		return -ENODEV;
	/* NMIs are handed on with INT 2, which FRED delivers as something else. */
	if (hv_fred_enabled()) {
		pr_err(pr_hv_fmt("not supported with FRED: boot with fred=off\n"));
		return -EOPNOTSUPP;
	}
	ret = read_caps(&vmx_caps);
	if (ret)
		return ret;
	set_timer(&vmx_caps);
	describe(&vmx_caps, caps);
	hv_tdp_set_format(HV_TDP_EPT, vmx_caps.ept_vpid & VMX_EPT_AD_BIT);
	return 0;
}

/* A CPU that came later, or another socket, with other capabilities cannot run our VMCSs. */
int vmx_caps_check_cpu(void)
{
	struct vmx_caps here = {};

	if (read_caps(&here))
		return -EOPNOTSUPP;
	/* Chosen once: the kernel may know the TSC's rate better by now. */
	here.misc = vmx_caps.misc;
	here.timer_shift = vmx_caps.timer_shift;
	here.timer_bound = vmx_caps.timer_bound;
	if (!vmx_has_timer())
		here.pin &= ~PIN_BASED_VMX_PREEMPTION_TIMER;
	if (memcmp(&here, &vmx_caps, sizeof(here))) {
		pr_err_ratelimited(pr_hv_fmt("CPU %d has other VT-x features than the first\n"),
				   smp_processor_id());
		return -EIO;
	}
	return 0;
}
