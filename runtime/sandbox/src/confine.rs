//! What the processes of a container may not do: capabilities and system calls, as Docker's defaults have them.

use std::collections::BTreeMap;

use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, clear_ambient_capability_set, remove_capability_from_bounding_set,
    set_capabilities,
};
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule,
};

use crate::{
    error::{Doing, Result, unreadable},
    sys,
};

/// The fourteen that Docker leaves a container by default (capabilities(7)).
const CAPABILITIES: CapabilitySet = CapabilitySet::CHOWN
    .union(CapabilitySet::DAC_OVERRIDE)
    .union(CapabilitySet::FOWNER)
    .union(CapabilitySet::FSETID)
    .union(CapabilitySet::KILL)
    .union(CapabilitySet::SETGID)
    .union(CapabilitySet::SETUID)
    .union(CapabilitySet::SETPCAP)
    .union(CapabilitySet::NET_BIND_SERVICE)
    .union(CapabilitySet::NET_RAW)
    .union(CapabilitySet::SYS_CHROOT)
    .union(CapabilitySet::MKNOD)
    .union(CapabilitySet::AUDIT_WRITE)
    .union(CapabilitySet::SETFCAP);

/// What is refused whatever it is asked for; it follows what Docker's default profile refuses to who has [`CAPABILITIES`].
const REFUSED: &[libc::c_long] = &[
    libc::SYS_acct,
    libc::SYS_add_key,
    libc::SYS_bpf,
    libc::SYS_clock_settime,
    libc::SYS_delete_module,
    libc::SYS_fanotify_init,
    libc::SYS_finit_module,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fsopen,
    libc::SYS_fspick,
    libc::SYS_get_mempolicy,
    libc::SYS_init_module,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_io_uring_setup,
    libc::SYS_kcmp,
    libc::SYS_kexec_file_load,
    libc::SYS_kexec_load,
    libc::SYS_keyctl,
    libc::SYS_lookup_dcookie,
    libc::SYS_mbind,
    libc::SYS_migrate_pages,
    libc::SYS_mount,
    libc::SYS_mount_setattr,
    libc::SYS_move_mount,
    libc::SYS_move_pages,
    libc::SYS_nfsservctl,
    libc::SYS_open_by_handle_at,
    libc::SYS_open_tree,
    libc::SYS_perf_event_open,
    libc::SYS_pidfd_getfd,
    libc::SYS_pivot_root,
    libc::SYS_process_madvise,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    libc::SYS_reboot,
    libc::SYS_request_key,
    libc::SYS_set_mempolicy,
    libc::SYS_set_mempolicy_home_node,
    libc::SYS_setdomainname,
    libc::SYS_sethostname,
    libc::SYS_setns,
    libc::SYS_settimeofday,
    libc::SYS_swapoff,
    libc::SYS_swapon,
    libc::SYS_syslog,
    libc::SYS_umount2,
    libc::SYS_unshare,
    libc::SYS_userfaultfd,
    libc::SYS_vhangup,
    457, // statmount
    458, // listmount
    459, // lsm_get_self_attr
    460, // lsm_set_self_attr
    461, // lsm_list_modules
    #[cfg(target_arch = "x86_64")]
    libc::SYS__sysctl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_ioperm,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_iopl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_sysfs,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_uselib,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_ustat,
];

/// The newest call that was looked at: what came later is answered as unknown, so that libraries do without it.
const NEWEST: libc::c_long = 466;

/// The flags of clone(2) that make namespaces.
const NAMESPACES: [libc::c_int; 8] = [
    0x80, // CLONE_NEWTIME
    libc::CLONE_NEWNS,
    libc::CLONE_NEWCGROUP,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
];

/// The address families of which no socket is to be had: the kernel's cryptography, and the way to a host of virtual
/// machines.
const FAMILIES: [u64; 2] = [38, 40];

/// The only personalities that can be chosen (personality(2)): Linux, 32 bit, both with the oldest name of the system; to ask.
const PERSONALITIES: [u64; 5] = [0, 8, 0x2_0000, 0x2_0008, 0xffff_ffff];

/// What cannot work where there is one id: it succeeds, and does nothing.
const PRETENDED: &[libc::c_long] = &[
    #[cfg(target_arch = "x86_64")]
    libc::SYS_chown,
    libc::SYS_fchown,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_lchown,
    libc::SYS_fchownat,
    libc::SYS_setgroups,
    libc::SYS_setuid,
    libc::SYS_setgid,
    libc::SYS_setreuid,
    libc::SYS_setregid,
    libc::SYS_setresuid,
    libc::SYS_setresgid,
    libc::SYS_setfsuid,
    libc::SYS_setfsgid,
];

type Rules = BTreeMap<libc::c_long, Vec<SeccompRule>>;

/// Takes from this process, and from all that come from it, what a container may not do, for good.
///
/// # Errors
/// The system's refusals: it takes `CAP_SYS_ADMIN` and `CAP_SETPCAP`.
pub(crate) fn confine(is_single: bool) -> Result<()> {
    clear_ambient_capability_set().doing(|| "give up capabilities".into())?;
    for bit in 0..64 {
        let capability = CapabilitySet::from_bits_retain(1 << bit);
        if !CAPABILITIES.contains(capability) && remove_capability_from_bounding_set(capability).is_err() {
            break; // past the kernel's last one
        }
    }
    // Before `CAP_SYS_ADMIN` is given up: after that, a filter takes `no_new_privs`, and programs like sudo do not work.
    for filter in filters(is_single).map_err(unreadable).doing(|| "make the filter of system calls".into())? {
        sys::install_filter(&filter).doing(|| "install the filter of system calls".into())?;
    }
    let permitted = capabilities(None).doing(|| "read the capabilities".into())?.permitted & CAPABILITIES;
    let sets = CapabilitySets { effective: permitted, permitted, inheritable: CapabilitySet::empty() };
    set_capabilities(None, sets).doing(|| "give up capabilities".into())
}

/// What is unknown, what is refused, and what is pretended; a call passes through all of them.
fn filters(is_single: bool) -> std::result::Result<Vec<BpfProgram>, BackendError> {
    let error = |number: libc::c_int| SeccompAction::Errno(number.cast_unsigned());
    let always = |calls: &[libc::c_long]| calls.iter().map(|call| (*call, Vec::new())).collect::<Rules>();
    // Its flags lie where a filter cannot look: without it, libraries take `clone`.
    let known: Vec<libc::c_long> = (0..=NEWEST).filter(|call| *call != libc::SYS_clone3).collect();
    let mut refused = always(REFUSED);
    refused.extend(conditions()?);
    let mut all = vec![
        filter(always(&known), error(libc::ENOSYS), SeccompAction::Allow)?,
        filter(refused, SeccompAction::Allow, error(libc::EPERM))?,
    ];
    if is_single {
        all.push(filter(always(PRETENDED), SeccompAction::Allow, error(0))?);
    }
    Ok(all)
}

/// What is refused for some values of its first argument.
fn conditions() -> std::result::Result<Rules, BackendError> {
    let first = |operator, value| SeccompCondition::new(0, SeccompCmpArgLen::Dword, operator, value);
    let rule = |operator, value| SeccompRule::new(vec![first(operator, value)?]);
    let families = FAMILIES.iter().map(|family| rule(SeccompCmpOp::Eq, *family));
    let namespaces = NAMESPACES.iter().map(|flag| {
        let flag = u64::from(flag.cast_unsigned());
        rule(SeccompCmpOp::MaskedEq(flag), flag)
    });
    let others = PERSONALITIES.iter().map(|personality| first(SeccompCmpOp::Ne, *personality));
    Ok(Rules::from([
        (libc::SYS_socket, families.collect::<std::result::Result<_, _>>()?),
        (libc::SYS_clone, namespaces.collect::<std::result::Result<_, _>>()?),
        (libc::SYS_personality, vec![SeccompRule::new(others.collect::<std::result::Result<_, _>>()?)?]),
    ]))
}

fn filter(
    rules: Rules,
    otherwise: SeccompAction,
    matched: SeccompAction,
) -> std::result::Result<BpfProgram, BackendError> {
    SeccompFilter::new(rules, otherwise, matched, std::env::consts::ARCH.try_into()?)?.try_into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where we do otherwise, and whether we refuse.
    #[cfg(target_arch = "x86_64")]
    const OTHERS: [(&str, bool); 13] = [
        // No kernel has them.
        ("create_module", false),
        ("get_kernel_syms", false),
        ("query_module", false),
        ("getpmsg", false),
        ("putpmsg", false),
        ("afs_syscall", false),
        ("tuxcall", false),
        ("security", false),
        ("vserver", false),
        // The kernel's own, behind a probe of return addresses.
        ("uretprobe", false),
        // Later ones of Docker refuse them, too.
        ("io_uring_setup", true),
        ("io_uring_enter", true),
        ("io_uring_register", true),
    ];

    #[test]
    fn the_capabilities_are_those_that_docker_leaves() {
        assert_eq!(CAPABILITIES.bits(), 0xa804_25fb);
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn what_is_refused_is_what_docker_refuses() {
        let mut others = Vec::new();
        for line in include_str!("../tests/docker-calls.txt").lines().filter(|line| !line.starts_with('#')) {
            let [number, name, verdict] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
            let is_refused = REFUSED.contains(&number.parse().unwrap());
            if is_refused != (verdict == "refused") {
                others.push((name, is_refused));
            }
        }
        assert_eq!(others, OTHERS);
    }

    #[test]
    fn there_are_filters_for_what_is_unknown_refused_and_pretended() {
        assert_eq!(filters(false).unwrap().len(), 2);
        assert_eq!(filters(true).unwrap().len(), 3);
    }
}
