/* Preloaded: counts what a process tree does to the file system below a folder, kills it at a chosen count, lets it fail, or
   logs it.

   FAULTS_ROOT   the folder; only what is done below it counts
   FAULTS_FILE   a file of 24 bytes that the processes share: the count, the process to kill, and the calls that may fail
   FAULTS_AT     at this count: SIGKILL to the first process of the tree, and to the one that made the call
   FAULTS_LOG    append a line for each call: "name path"
   FAULTS_CALL   let calls of this name fail: link, rename, fsync, syncfs, flock, write, create, ...
   FAULTS_ERRNO  with this error number
   FAULTS_NTH    only the nth of them; without it, all
   FAULTS_PART   only those whose path holds this text

   py-rattler links libc dynamically, so its calls come through here as Python's do. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

struct shared {
    _Atomic uint64_t count;
    _Atomic uint64_t first;
    _Atomic uint64_t matched;
};

static struct shared *shared;
static const char *root;
static size_t root_length;
static uint64_t kill_at;
static const char *fail_call, *fail_part;
static int fail_errno;
static uint64_t fail_nth;
static int log_fd = -1;

#define REAL(name) ((typeof(&name))dlsym(RTLD_NEXT, #name))

__attribute__((constructor)) static void start(void) {
    const char *file = getenv("FAULTS_FILE"), *at = getenv("FAULTS_AT"), *log = getenv("FAULTS_LOG");
    root = getenv("FAULTS_ROOT");
    if (root == NULL || file == NULL)
        return;
    root_length = strlen(root);
    const char *number = getenv("FAULTS_ERRNO"), *nth = getenv("FAULTS_NTH");
    fail_call = getenv("FAULTS_CALL");
    fail_part = getenv("FAULTS_PART");
    fail_errno = number ? atoi(number) : 0;
    fail_nth = nth ? strtoull(nth, NULL, 10) : 0;
    kill_at = at ? strtoull(at, NULL, 10) : 0;
    int fd = REAL(open)(file, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return;
    void *memory = mmap(NULL, sizeof(struct shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (memory == MAP_FAILED)
        return;
    shared = memory;
    uint64_t nobody = 0;
    atomic_compare_exchange_strong(&shared->first, &nobody, (uint64_t)getpid());
    if (log != NULL)
        log_fd = REAL(open)(log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
}

static int below(const char *path) {
    return path != NULL && strncmp(path, root, root_length) == 0 && (path[root_length] == '/' || path[root_length] == 0);
}

/* Returns whether the call has to fail; errno is set. */
static int count(const char *name, const char *path) {
    if (log_fd >= 0) {
        char line[8192];
        int length = snprintf(line, sizeof line, "%s %s\n", name, path);
        if (length > 0 && REAL(write)(log_fd, line, (size_t)length) < 0)
            return 0;
    }
    if (atomic_fetch_add(&shared->count, 1) + 1 == kill_at) {
        kill((pid_t)shared->first, SIGKILL);
        kill(getpid(), SIGKILL);
        for (;;)
            pause();
    }
    if (fail_errno && fail_call && strcmp(name, fail_call) == 0 && (fail_part == NULL || strstr(path, fail_part))) {
        uint64_t place = atomic_fetch_add(&shared->matched, 1) + 1;
        if (fail_nth == 0 || place == fail_nth) {
            errno = fail_errno;
            return 1;
        }
    }
    return 0;
}

static int by_path(const char *name, int folder, const char *path) {
    if (shared == NULL || path == NULL)
        return 0;
    char link[64], where[8192], process[16];
    const char *rest = path;
    int length_of_it = 0;
    /* a folder by its descriptor, this process's or another's, and what is below it */
    int by_descriptor = sscanf(path, "/proc/%15[0-9self]/fd/%d%n", process, &folder, &length_of_it) == 2;
    if (path[0] == '/' && !by_descriptor)
        return below(path) ? count(name, path) : 0;
    if (by_descriptor) {
        rest += length_of_it + (path[length_of_it] == '/');
    } else if (folder == AT_FDCWD) {
        return 0;
    }
    snprintf(link, sizeof link, "/proc/%s/fd/%d", by_descriptor ? process : "self", folder);
    ssize_t length = readlink(link, where, 4096);
    if (length <= 0)
        return 0;
    snprintf(where + length, sizeof where - (size_t)length, "%s%s", *rest ? "/" : "", rest);
    return below(where) ? count(name, where) : 0;
}

static int by_fd(const char *name, int fd) {
    if (shared == NULL || fd == log_fd)
        return 0;
    char link[64], where[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, where, sizeof where - 1);
    if (length <= 0)
        return 0;
    where[length] = 0;
    return below(where) ? count(name, where) : 0;
}

int link(const char *from, const char *to) { if (by_path("link", AT_FDCWD, to)) return -1; return REAL(link)(from, to); }
int linkat(int f, const char *from, int t, const char *to, int flags) {
    if (by_path("link", t, to)) return -1;
    return REAL(linkat)(f, from, t, to, flags);
}
int rename(const char *from, const char *to) { if (by_path("rename", AT_FDCWD, to)) return -1; return REAL(rename)(from, to); }
int renameat(int f, const char *from, int t, const char *to) {
    if (by_path("rename", t, to)) return -1;
    return REAL(renameat)(f, from, t, to);
}
int renameat2(int f, const char *from, int t, const char *to, unsigned flags) {
    if (by_path("rename", t, to)) return -1;
    return REAL(renameat2)(f, from, t, to, flags);
}
int mkdir(const char *path, mode_t mode) { if (by_path("mkdir", AT_FDCWD, path)) return -1; return REAL(mkdir)(path, mode); }
int mkdirat(int f, const char *path, mode_t mode) { if (by_path("mkdir", f, path)) return -1; return REAL(mkdirat)(f, path, mode); }
int symlink(const char *to, const char *path) { if (by_path("symlink", AT_FDCWD, path)) return -1; return REAL(symlink)(to, path); }
int symlinkat(const char *to, int f, const char *path) {
    if (by_path("symlink", f, path)) return -1;
    return REAL(symlinkat)(to, f, path);
}
int unlink(const char *path) { if (by_path("unlink", AT_FDCWD, path)) return -1; return REAL(unlink)(path); }
int unlinkat(int f, const char *path, int flags) { if (by_path("unlink", f, path)) return -1; return REAL(unlinkat)(f, path, flags); }
int rmdir(const char *path) { if (by_path("rmdir", AT_FDCWD, path)) return -1; return REAL(rmdir)(path); }
int chmod(const char *path, mode_t mode) { if (by_path("chmod", AT_FDCWD, path)) return -1; return REAL(chmod)(path, mode); }
int fchmod(int fd, mode_t mode) { if (by_fd("chmod", fd)) return -1; return REAL(fchmod)(fd, mode); }
int fchmodat(int f, const char *path, mode_t mode, int flags) {
    if (by_path("chmod", f, path)) return -1;
    return REAL(fchmodat)(f, path, mode, flags);
}
int futimens(int fd, const struct timespec times[2]) { if (by_fd("times", fd)) return -1; return REAL(futimens)(fd, times); }
int utimensat(int f, const char *path, const struct timespec times[2], int flags) {
    if (by_path("times", f, path)) return -1;
    return REAL(utimensat)(f, path, times, flags);
}
int ftruncate(int fd, off_t size) { if (by_fd("truncate", fd)) return -1; return REAL(ftruncate)(fd, size); }
int ftruncate64(int fd, off64_t size) { if (by_fd("truncate", fd)) return -1; return REAL(ftruncate64)(fd, size); }

ssize_t write(int fd, const void *data, size_t size) { if (by_fd("write", fd)) return -1; return REAL(write)(fd, data, size); }
ssize_t pwrite(int fd, const void *d, size_t s, off_t o) { if (by_fd("write", fd)) return -1; return REAL(pwrite)(fd, d, s, o); }
ssize_t pwrite64(int fd, const void *d, size_t s, off64_t o) { if (by_fd("write", fd)) return -1; return REAL(pwrite64)(fd, d, s, o); }
ssize_t writev(int fd, const struct iovec *parts, int n) { if (by_fd("write", fd)) return -1; return REAL(writev)(fd, parts, n); }
ssize_t sendfile(int o, int i, off_t *offset, size_t s) { if (by_fd("write", o)) return -1; return REAL(sendfile)(o, i, offset, s); }
ssize_t sendfile64(int o, int i, off64_t *offset, size_t s) { if (by_fd("write", o)) return -1; return REAL(sendfile64)(o, i, offset, s); }
ssize_t copy_file_range(int i, off64_t *io, int o, off64_t *oo, size_t s, unsigned f) {
    if (by_fd("write", o)) return -1;
    return REAL(copy_file_range)(i, io, o, oo, s, f);
}
int fsync(int fd) { if (by_fd("fsync", fd)) return -1; return REAL(fsync)(fd); }
int fdatasync(int fd) { if (by_fd("fsync", fd)) return -1; return REAL(fdatasync)(fd); }
int flock(int fd, int how) { if (by_fd("flock", fd)) return -1; return REAL(flock)(fd, how); }
int syncfs(int fd) { if (by_fd("syncfs", fd)) return -1; return REAL(syncfs)(fd); }

#define OPENS(name)                                                                                                    \
    int name(const char *path, int flags, ...) {                                                                       \
        mode_t mode = 0;                                                                                               \
        if (flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE) {                                                                           \
            va_list rest;                                                                                              \
            va_start(rest, flags);                                                                                     \
            mode = va_arg(rest, mode_t);                                                                               \
            va_end(rest);                                                                                              \
            if (by_path("create", AT_FDCWD, path)) return -1;                                                                         \
        }                                                                                                              \
        return REAL(name)(path, flags, mode);                                                                          \
    }
#define OPENATS(name)                                                                                                  \
    int name(int folder, const char *path, int flags, ...) {                                                           \
        mode_t mode = 0;                                                                                               \
        if (flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE) {                                                                           \
            va_list rest;                                                                                              \
            va_start(rest, flags);                                                                                     \
            mode = va_arg(rest, mode_t);                                                                               \
            va_end(rest);                                                                                              \
            if (by_path("create", folder, path)) return -1;                                                                           \
        }                                                                                                              \
        return REAL(name)(folder, path, flags, mode);                                                                  \
    }
OPENS(open)
OPENS(open64)
OPENATS(openat)
OPENATS(openat64)
