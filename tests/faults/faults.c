/* Preloaded: counts what a process tree does to the file system below a folder, kills it at a chosen count, or logs it.

   FAULTS_ROOT   the folder; only what is done below it counts
   FAULTS_FILE   a file of 16 bytes that the processes share: the count, and the process to kill
   FAULTS_AT     at this count: SIGKILL to the first process of the tree, and to the one that made the call
   FAULTS_LOG    append a line for each call: "name path"

   py-rattler links libc dynamically, so its calls come through here as Python's do. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

struct shared {
    _Atomic uint64_t count;
    _Atomic uint64_t first;
};

static struct shared *shared;
static const char *root;
static size_t root_length;
static uint64_t kill_at;
static int log_fd = -1;

#define REAL(name) ((typeof(&name))dlsym(RTLD_NEXT, #name))

__attribute__((constructor)) static void start(void) {
    const char *file = getenv("FAULTS_FILE"), *at = getenv("FAULTS_AT"), *log = getenv("FAULTS_LOG");
    root = getenv("FAULTS_ROOT");
    if (root == NULL || file == NULL)
        return;
    root_length = strlen(root);
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

static void count(const char *name, const char *path) {
    if (log_fd >= 0) {
        char line[8192];
        int length = snprintf(line, sizeof line, "%s %s\n", name, path);
        if (length > 0 && REAL(write)(log_fd, line, (size_t)length) < 0)
            return;
    }
    if (atomic_fetch_add(&shared->count, 1) + 1 == kill_at) {
        kill((pid_t)shared->first, SIGKILL);
        kill(getpid(), SIGKILL);
        for (;;)
            pause();
    }
}

static void by_path(const char *name, int folder, const char *path) {
    if (shared == NULL || path == NULL)
        return;
    if (path[0] == '/') {
        if (below(path))
            count(name, path);
    } else if (folder != AT_FDCWD) {
        char link[64], where[4096];
        snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
        ssize_t length = readlink(link, where, sizeof where - 1);
        if (length > 0) {
            where[length] = 0;
            if (below(where))
                count(name, where);
        }
    }
}

static void by_fd(const char *name, int fd) {
    if (shared == NULL || fd == log_fd)
        return;
    char link[64], where[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, where, sizeof where - 1);
    if (length > 0) {
        where[length] = 0;
        if (below(where))
            count(name, where);
    }
}

int link(const char *from, const char *to) { by_path("link", AT_FDCWD, to); return REAL(link)(from, to); }
int linkat(int f, const char *from, int t, const char *to, int flags) {
    by_path("link", t, to);
    return REAL(linkat)(f, from, t, to, flags);
}
int rename(const char *from, const char *to) { by_path("rename", AT_FDCWD, to); return REAL(rename)(from, to); }
int renameat(int f, const char *from, int t, const char *to) {
    by_path("rename", t, to);
    return REAL(renameat)(f, from, t, to);
}
int renameat2(int f, const char *from, int t, const char *to, unsigned flags) {
    by_path("rename", t, to);
    return REAL(renameat2)(f, from, t, to, flags);
}
int mkdir(const char *path, mode_t mode) { by_path("mkdir", AT_FDCWD, path); return REAL(mkdir)(path, mode); }
int mkdirat(int f, const char *path, mode_t mode) { by_path("mkdir", f, path); return REAL(mkdirat)(f, path, mode); }
int symlink(const char *to, const char *path) { by_path("symlink", AT_FDCWD, path); return REAL(symlink)(to, path); }
int symlinkat(const char *to, int f, const char *path) {
    by_path("symlink", f, path);
    return REAL(symlinkat)(to, f, path);
}
int unlink(const char *path) { by_path("unlink", AT_FDCWD, path); return REAL(unlink)(path); }
int unlinkat(int f, const char *path, int flags) { by_path("unlink", f, path); return REAL(unlinkat)(f, path, flags); }
int rmdir(const char *path) { by_path("rmdir", AT_FDCWD, path); return REAL(rmdir)(path); }
int chmod(const char *path, mode_t mode) { by_path("chmod", AT_FDCWD, path); return REAL(chmod)(path, mode); }
int fchmod(int fd, mode_t mode) { by_fd("chmod", fd); return REAL(fchmod)(fd, mode); }
int fchmodat(int f, const char *path, mode_t mode, int flags) {
    by_path("chmod", f, path);
    return REAL(fchmodat)(f, path, mode, flags);
}
int futimens(int fd, const struct timespec times[2]) { by_fd("times", fd); return REAL(futimens)(fd, times); }
int utimensat(int f, const char *path, const struct timespec times[2], int flags) {
    by_path("times", f, path);
    return REAL(utimensat)(f, path, times, flags);
}
int ftruncate(int fd, off_t size) { by_fd("truncate", fd); return REAL(ftruncate)(fd, size); }
int ftruncate64(int fd, off64_t size) { by_fd("truncate", fd); return REAL(ftruncate64)(fd, size); }

ssize_t write(int fd, const void *data, size_t size) { by_fd("write", fd); return REAL(write)(fd, data, size); }
ssize_t pwrite(int fd, const void *d, size_t s, off_t o) { by_fd("write", fd); return REAL(pwrite)(fd, d, s, o); }
ssize_t pwrite64(int fd, const void *d, size_t s, off64_t o) { by_fd("write", fd); return REAL(pwrite64)(fd, d, s, o); }
ssize_t writev(int fd, const struct iovec *parts, int n) { by_fd("write", fd); return REAL(writev)(fd, parts, n); }
ssize_t sendfile(int o, int i, off_t *offset, size_t s) { by_fd("write", o); return REAL(sendfile)(o, i, offset, s); }
ssize_t sendfile64(int o, int i, off64_t *offset, size_t s) { by_fd("write", o); return REAL(sendfile64)(o, i, offset, s); }
ssize_t copy_file_range(int i, off64_t *io, int o, off64_t *oo, size_t s, unsigned f) {
    by_fd("write", o);
    return REAL(copy_file_range)(i, io, o, oo, s, f);
}
int fsync(int fd) { by_fd("fsync", fd); return REAL(fsync)(fd); }
int fdatasync(int fd) { by_fd("fsync", fd); return REAL(fdatasync)(fd); }
int syncfs(int fd) { by_fd("syncfs", fd); return REAL(syncfs)(fd); }

#define OPENS(name)                                                                                                    \
    int name(const char *path, int flags, ...) {                                                                       \
        mode_t mode = 0;                                                                                               \
        if (flags & (O_CREAT | O_TMPFILE)) {                                                                           \
            va_list rest;                                                                                              \
            va_start(rest, flags);                                                                                     \
            mode = va_arg(rest, mode_t);                                                                               \
            va_end(rest);                                                                                              \
            by_path("create", AT_FDCWD, path);                                                                         \
        }                                                                                                              \
        return REAL(name)(path, flags, mode);                                                                          \
    }
#define OPENATS(name)                                                                                                  \
    int name(int folder, const char *path, int flags, ...) {                                                           \
        mode_t mode = 0;                                                                                               \
        if (flags & (O_CREAT | O_TMPFILE)) {                                                                           \
            va_list rest;                                                                                              \
            va_start(rest, flags);                                                                                     \
            mode = va_arg(rest, mode_t);                                                                               \
            va_end(rest);                                                                                              \
            by_path("create", folder, path);                                                                           \
        }                                                                                                              \
        return REAL(name)(folder, path, flags, mode);                                                                  \
    }
OPENS(open)
OPENS(open64)
OPENATS(openat)
OPENATS(openat64)
