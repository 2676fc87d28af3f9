#include "build.h"

#include "supervisor/sandbox.h"

#include "base/log.h"

#ifdef HAVE_SECCOMP
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

/* The kernel looks at the lower half of an int; the upper one is anything. */
#define HALF UINT64_C(0xffffffff)

/* More than AF_MAX of any kernel: beyond it there are no families. */
#define FAMILIES 64

#define NAMESPACES (CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | \
    CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET)

/* What libc, OpenSSL, SQLite, libmicrohttpd and we need, by any libc. */
static const char *const needed[] = {
	/* bytes */
	"read", "readv", "pread64", "preadv", "preadv2", "write", "writev",
	"pwrite64", "pwritev", "pwritev2", "lseek", "_llseek", "sendfile",
	"sendfile64", "close", "close_range", "dup", "dup2", "dup3", "fcntl",
	"fcntl64", "pipe", "pipe2", "eventfd", "eventfd2", "epoll_create",
	"epoll_create1", "epoll_ctl", "epoll_wait", "epoll_pwait",
	"epoll_pwait2", "poll", "ppoll", "ppoll_time64", "select",
	"_newselect", "pselect6", "pselect6_time64",
	/* files, beside open() */
	"access", "faccessat", "faccessat2", "stat", "stat64", "fstat",
	"fstat64", "lstat", "lstat64", "newfstatat", "fstatat64", "statx",
	"statfs", "statfs64", "fstatfs", "fstatfs64", "readlink",
	"readlinkat", "getcwd", "getdents", "getdents64", "fadvise64",
	"memfd_create", "ftruncate", "ftruncate64", "fsync", "fdatasync",
	/* sockets, beside socket(); where that is a part of socketcall() its
	   arguments cannot be seen */
	"socketcall", "accept", "accept4", "connect", "getpeername",
	"getsockname", "getsockopt", "setsockopt", "recv", "recvfrom",
	"recvmsg", "recvmmsg", "recvmmsg_time64", "send", "sendto", "sendmsg",
	"sendmmsg", "shutdown", "socketpair",
	/* memory */
	"brk", "mmap", "mmap2", "munmap", "mremap", "mprotect", "madvise",
	"mlock", "mlock2", "munlock", "mincore", "msync", "membarrier",
	/* time */
	"clock_gettime", "clock_gettime64", "clock_getres",
	"clock_getres_time64", "clock_nanosleep", "clock_nanosleep_time64",
	"nanosleep", "gettimeofday", "time", "times", "getitimer",
	"setitimer", "alarm", "timerfd_create", "timerfd_settime",
	"timerfd_settime64", "timerfd_gettime", "timerfd_gettime64",
	/* signals */
	"rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigreturn",
	"rt_sigsuspend", "rt_sigpending", "rt_sigtimedwait",
	"rt_sigtimedwait_time64", "sigaltstack", "pause", "kill", "tgkill",
	"tkill", "restart_syscall",
	/* threads and processes, beside clone(): long queries of the console
	   have one of their own */
	"fork", "vfork", "wait4", "waitid", "waitpid", "exit", "exit_group",
	"futex", "futex_time64", "set_robust_list", "get_robust_list",
	"set_tid_address", "rseq", "prctl", "arch_prctl", "sched_yield",
	"sched_getaffinity", "sched_setscheduler", "sched_getscheduler",
	"sched_getparam", "sched_setparam", "sched_get_priority_max",
	"sched_get_priority_min", "setpriority", "getpriority", "getcpu",
	/* who we are, and where */
	"getpid", "getppid", "gettid", "getpgrp", "getpgid", "getsid",
	"getuid", "getuid32", "geteuid", "geteuid32", "getgid", "getgid32",
	"getegid", "getegid32", "getresuid", "getresuid32", "getresgid",
	"getresgid32", "getgroups", "getgroups32", "capget", "getrandom",
	"getrusage", "getrlimit", "ugetrlimit", "setrlimit", "prlimit64",
	"sysinfo", "uname", "umask",
};

/* Nobody's business here, and the way of many an attack on the kernel. */
static const char *const refused[] = {
	"_sysctl", "acct", "adjtimex", "bpf", "chroot", "clock_adjtime",
	"clock_settime", "create_module", "delete_module", "fanotify_init",
	"finit_module", "fsconfig", "fsmount", "fsopen", "fspick",
	"init_module", "io_uring_enter", "io_uring_register",
	"io_uring_setup", "ioperm", "iopl", "kcmp", "kexec_file_load",
	"kexec_load", "lookup_dcookie", "mbind", "migrate_pages", "mount",
	"mount_setattr", "move_mount", "move_pages", "nfsservctl",
	"open_by_handle_at", "open_tree", "perf_event_open", "pidfd_getfd",
	"pivot_root", "process_madvise", "process_vm_writev", "quotactl",
	"quotactl_fd", "reboot", "setdomainname", "sethostname", "setns",
	"settimeofday", "stime", "swapoff", "swapon", "syslog", "umount",
	"umount2", "unshare", "uselib", "userfaultfd", "vhangup", "vmsplice",
};

#ifdef WITH_SANITIZERS
#define IS_WIDE true
#else
#define IS_WIDE false
/* They trace themselves at their end. */
static const char *const refused_to_us[] = {
	"personality", "process_vm_readv", "ptrace",
};
#endif

static const char *const programs[] = { "execve", "execveat" };

/* Of a session; modules of PAM may have theirs. */
static const char *const keyrings[] = { "add_key", "keyctl", "request_key" };

/* What is allowed besides is a list. */
static bool
is_strict(enum sandbox_role role)
{
	return !IS_WIDE && role != SANDBOX_HELPER;
}

static bool
may_run_programs(enum sandbox_role role)
{
#ifdef HAVE_PAM
	return IS_WIDE || role == SANDBOX_HELPER;
#else
	return IS_WIDE;
#endif
}

/* Rules stand or fall together; a call that is not known here has none. */
struct rules {
	scmp_filter_ctx	 context;
	int		 result;
};

static void
add(struct rules *rules, uint32_t action, const char *name,
    const struct scmp_arg_cmp *compare)
{
	int number = seccomp_syscall_resolve_name(name);

	if (rules->result != 0 || number == __NR_SCMP_ERROR)
		return;
	rules->result = seccomp_rule_add_array(rules->context, action, number,
	    compare == NULL ? 0 : 1, compare);
	/* What is a part of another call here (ipc, socketcall). */
	if (rules->result == -EDOM || rules->result == -EACCES)
		rules->result = 0;
}

static void
add_all(struct rules *rules, uint32_t action, const char *const *names,
    size_t count)
{
	for (size_t i = 0; i < count; i++)
		add(rules, action, names[i], NULL);
}

#define ADD_ALL(rules, action, names) \
	add_all((rules), (action), (names), ARRAY_LENGTH(names))

/* These bits of an argument have this value. */
static void
add_bits(struct rules *rules, uint32_t action, const char *name,
    unsigned argument, uint64_t mask, uint64_t value)
{
	struct scmp_arg_cmp compare = { argument, SCMP_CMP_MASKED_EQ, mask,
	    value };

	add(rules, action, name, &compare);
}

static bool
is_a_family_of(int family, enum sandbox_role role)
{
	return family == AF_UNIX || family == AF_INET || family == AF_INET6 ||
	    (family == AF_NETLINK && (IS_WIDE || role == SANDBOX_HELPER));
}

static void
add_families(struct rules *rules, enum sandbox_role role)
{
	for (int family = 0; family < FAMILIES; family++) {
		bool allowed = is_a_family_of(family, role);

		if (!allowed || is_strict(role))
			add_bits(rules, allowed ? SCMP_ACT_ALLOW :
			    SCMP_ACT_ERRNO(EPERM), "socket", 0, HALF,
			    (uint64_t)family);
	}
}

/* A process of one's own, but no world of one's own. */
static void
add_clone(struct rules *rules, enum sandbox_role role)
{
	uint32_t arch = seccomp_arch_native();
	unsigned flags = arch == SCMP_ARCH_S390X || arch == SCMP_ARCH_S390;

	for (uint64_t bit = 1; bit <= NAMESPACES; bit <<= 1)
		if ((bit & NAMESPACES) != 0)
			add_bits(rules, SCMP_ACT_ERRNO(EPERM), "clone", flags,
			    bit, bit);
	if (is_strict(role))
		add_bits(rules, SCMP_ACT_ALLOW, "clone", flags, NAMESPACES, 0);
	/* Its flags cannot be seen; the C library tries clone() next. */
	add(rules, SCMP_ACT_ERRNO(ENOSYS), "clone3", NULL);
}

static void
add_open(struct rules *rules, const char *name, unsigned flags)
{
	add_bits(rules, SCMP_ACT_ALLOW, name, flags, O_ACCMODE | O_CREAT |
	    O_TRUNC, O_RDONLY);
	add_bits(rules, SCMP_ACT_ERRNO(EPERM), name, flags, O_WRONLY,
	    O_WRONLY);
	add_bits(rules, SCMP_ACT_ERRNO(EPERM), name, flags, O_RDWR, O_RDWR);
	add_bits(rules, SCMP_ACT_ERRNO(EPERM), name, flags, O_CREAT, O_CREAT);
}

/* TIOCSTI puts words into the mouth of who sits at the terminal. */
static void
add_ioctl(struct rules *rules, enum sandbox_role role)
{
	static const unsigned long harmless[] = { FIONBIO, FIONREAD, FIOCLEX,
	    TCGETS };

	add_bits(rules, SCMP_ACT_ERRNO(EPERM), "ioctl", 1, HALF, TIOCSTI);
	add_bits(rules, SCMP_ACT_ERRNO(EPERM), "ioctl", 1, HALF, TIOCLINUX);
	for (unsigned i = 0; is_strict(role) && i < ARRAY_LENGTH(harmless);
	    i++)
		add_bits(rules, SCMP_ACT_ALLOW, "ioctl", 1, HALF, harmless[i]);
}

static void
add_rules(struct rules *rules, enum sandbox_role role)
{
	ADD_ALL(rules, SCMP_ACT_ERRNO(EPERM), refused);
#ifndef WITH_SANITIZERS
	ADD_ALL(rules, SCMP_ACT_ERRNO(EPERM), refused_to_us);
#endif
	if (!may_run_programs(role))
		ADD_ALL(rules, SCMP_ACT_ERRNO(EPERM), programs);
	if (role != SANDBOX_HELPER)
		ADD_ALL(rules, SCMP_ACT_ERRNO(EPERM), keyrings);
	add_families(rules, role);
	add_clone(rules, role);
	add_ioctl(rules, role);
	if (!is_strict(role))
		return;
	ADD_ALL(rules, SCMP_ACT_ALLOW, needed);
	add_open(rules, "open", 1);
	add_open(rules, "openat", 2);
}

/*
 * A call of another architecture gets nothing.  Nobody else's code runs here,
 * so the processor may go on guessing: kernels before 5.16 would have it stop
 * that, for a price.
 */
static int
set_attributes(scmp_filter_ctx context)
{
	int result = seccomp_attr_set(context, SCMP_FLTATR_ACT_BADARCH,
	    SCMP_ACT_ERRNO(EPERM));

	if (result == 0)
		result = seccomp_attr_set(context, SCMP_FLTATR_CTL_NNP, 1);
	(void)seccomp_attr_set(context, SCMP_FLTATR_CTL_SSB, 1);
	(void)seccomp_attr_set(context, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	return result;
}

bool
sandbox_enter(enum sandbox_role role, struct error *error)
{
	struct rules rules = { seccomp_init(is_strict(role) ?
	    SCMP_ACT_ERRNO(ENOSYS) : SCMP_ACT_ALLOW), 0 };

	if (rules.context == NULL)
		return error_set(error, "libseccomp cannot begin");
	rules.result = set_attributes(rules.context);
	add_rules(&rules, role);
	if (rules.result == 0)
		rules.result = seccomp_load(rules.context);
	seccomp_release(rules.context);
	if (rules.result == 0)
		return true;
	errno = -rules.result;
	return error_system(error, "seccomp");
}

const char *
sandbox_support(void)
{
	return IS_WIDE ? "seccomp, wide for sanitizers" : "seccomp";
}

bool
sandbox_is_built(void)
{
	return true;
}

#else /* !HAVE_SECCOMP */

bool
sandbox_enter(enum sandbox_role role, struct error *error)
{
	return true;
}

const char *
sandbox_support(void)
{
	return "no";
}

bool
sandbox_is_built(void)
{
	return false;
}

#endif

void
sandbox_enter_if(bool wanted, enum sandbox_role role, const char *who)
{
	struct error error;

	if (wanted && !sandbox_enter(role, &error))
		log_warning("%s: there is no sandbox: %s", who, error.text);
}
