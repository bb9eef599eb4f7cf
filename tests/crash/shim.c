/* Faults in calls on files below one folder, for tests: loaded with LD_PRELOAD, told by troth_fault().
 *
 * The n-th call (of one name, or of any) on a path below the folder fails with EIO, or is the process's last; before it
 * took effect, or after. Every call that is met is counted. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

enum { EIO_BEFORE, EIO_AFTER, KILL_BEFORE, KILL_AFTER, ENOSPC_BEFORE };

static char folder[PATH_MAX];
static char wanted[32];
static long left, met;
static int how;

/* Watch calls of a name on files below a folder; the n-th (from 1; 0: none) fails. */
void troth_fault(const char *below, const char *name, long n, int kind) {
    snprintf(folder, sizeof folder, "%s", below);
    snprintf(wanted, sizeof wanted, "%s", name);
    left = n;
    how = kind;
    met = 0;
}

/* How many calls of the name were met. */
long troth_met(void) { return met; }

static int below(const char *path) { return folder[0] && strncmp(path, folder, strlen(folder)) == 0; }

static int below_at(int at, const char *path) {
    char link[64], whole[PATH_MAX];
    ssize_t size;
    if (!folder[0]) return 0;
    if (path && path[0] == '/') return below(path);
    if (at == AT_FDCWD) {
        if (!getcwd(whole, sizeof whole)) return 0;
        return below(whole);
    }
    snprintf(link, sizeof link, "/proc/self/fd/%d", at);
    size = readlink(link, whole, sizeof whole - 1);
    if (size < 0) return 0;
    whole[size] = 0;
    return below(whole);
}

/* Whether this call is the one: counts it. */
static int strikes(const char *name, int concerned) {
    if (!concerned || strcmp(name, wanted) != 0) return 0;
    return __atomic_add_fetch(&met, 1, __ATOMIC_SEQ_CST) == left;
}

#define REAL(name) \
    static __typeof__(name) *real; \
    if (!real) real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

/* strike, call, strike: -1 and EIO, or death, before or after. */
#define FAULT(name, concerned, call) \
    do { \
        int hit = strikes(name, concerned); \
        if (hit && how == KILL_BEFORE) kill(getpid(), SIGKILL); \
        if (hit && how == EIO_BEFORE) { errno = EIO; return -1; } \
        if (hit && how == ENOSPC_BEFORE) { errno = ENOSPC; return -1; } \
        __typeof__(call) answer = (call); \
        if (hit && how == KILL_AFTER) kill(getpid(), SIGKILL); \
        if (hit && how == EIO_AFTER && answer >= 0) { errno = EIO; return -1; } \
        return answer; \
    } while (0)

#define MODE(flags, from) \
    mode_t mode = 0; \
    if ((flags) & (O_CREAT | O_TMPFILE)) { \
        va_list rest; \
        va_start(rest, from); \
        mode = va_arg(rest, mode_t); \
        va_end(rest); \
    }

int open(const char *path, int flags, ...) { REAL(open); MODE(flags, flags); FAULT("open", below_at(AT_FDCWD, path), real(path, flags, mode)); }
int open64(const char *path, int flags, ...) { REAL(open64); MODE(flags, flags); FAULT("open", below_at(AT_FDCWD, path), real(path, flags, mode)); }
int openat(int at, const char *path, int flags, ...) { REAL(openat); MODE(flags, flags); FAULT("open", below_at(at, path), real(at, path, flags, mode)); }
int openat64(int at, const char *path, int flags, ...) { REAL(openat64); MODE(flags, flags); FAULT("open", below_at(at, path), real(at, path, flags, mode)); }
int close(int file) { REAL(close); FAULT("close", below_at(file, NULL), real(file)); }
ssize_t write(int file, const void *data, size_t size) { REAL(write); FAULT("write", below_at(file, NULL), real(file, data, size)); }
ssize_t pwrite(int file, const void *data, size_t size, off_t at) { REAL(pwrite); FAULT("pwrite", below_at(file, NULL), real(file, data, size, at)); }
ssize_t pwrite64(int file, const void *data, size_t size, off64_t at) { REAL(pwrite64); FAULT("pwrite", below_at(file, NULL), real(file, data, size, at)); }
ssize_t read(int file, void *data, size_t size) { REAL(read); FAULT("read", below_at(file, NULL), real(file, data, size)); }
ssize_t pread64(int file, void *data, size_t size, off64_t at) { REAL(pread64); FAULT("pread", below_at(file, NULL), real(file, data, size, at)); }
int fsync(int file) { REAL(fsync); FAULT("fsync", below_at(file, NULL), real(file)); }
int fdatasync(int file) { REAL(fdatasync); FAULT("fdatasync", below_at(file, NULL), real(file)); }
int ftruncate(int file, off_t size) { REAL(ftruncate); FAULT("ftruncate", below_at(file, NULL), real(file, size)); }
int ftruncate64(int file, off64_t size) { REAL(ftruncate64); FAULT("ftruncate", below_at(file, NULL), real(file, size)); }
int mkdir(const char *path, mode_t mode) { REAL(mkdir); FAULT("mkdir", below_at(AT_FDCWD, path), real(path, mode)); }
int mkdirat(int at, const char *path, mode_t mode) { REAL(mkdirat); FAULT("mkdir", below_at(at, path), real(at, path, mode)); }
int rmdir(const char *path) { REAL(rmdir); FAULT("unlink", below_at(AT_FDCWD, path), real(path)); }
int unlink(const char *path) { REAL(unlink); FAULT("unlink", below_at(AT_FDCWD, path), real(path)); }
int unlinkat(int at, const char *path, int flags) { REAL(unlinkat); FAULT("unlink", below_at(at, path), real(at, path, flags)); }
int rename(const char *from, const char *to) { REAL(rename); FAULT("rename", below_at(AT_FDCWD, to), real(from, to)); }
int renameat(int a, const char *from, int b, const char *to) { REAL(renameat); FAULT("rename", below_at(b, to), real(a, from, b, to)); }
int link(const char *from, const char *to) { REAL(link); FAULT("link", below_at(AT_FDCWD, to), real(from, to)); }
int linkat(int a, const char *from, int b, const char *to, int flags) { REAL(linkat); FAULT("link", below_at(b, to), real(a, from, b, to, flags)); }
int chmod(const char *path, mode_t mode) { REAL(chmod); FAULT("chmod", below_at(AT_FDCWD, path), real(path, mode)); }
