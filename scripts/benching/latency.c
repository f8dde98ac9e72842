/* Preloaded: makes each call that names a file below a folder, and each that synchronises one, take longer, as on a network
   file system. Reading and writing an open file is as fast as before.

   LATENCY_ROOT  the folder
   LATENCY_SPARE a folder in it that is as fast as before
   LATENCY_US    microseconds for each call */

#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

static const char *root, *spare;
static size_t root_length, spare_length;
static struct timespec pause_for;

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

__attribute__((constructor)) static void begin(void) {
    const char *us = getenv("LATENCY_US");
    root = getenv("LATENCY_ROOT");
    if (root == NULL || us == NULL)
        return;
    root_length = strlen(root);
    spare = getenv("LATENCY_SPARE");
    spare_length = spare == NULL ? 0 : strlen(spare);
    pause_for.tv_nsec = atol(us) * 1000;
}

static int below(const char *path, const char *folder, size_t length) {
    return strncmp(path, folder, length) == 0 && (path[length] == '/' || path[length] == 0);
}

static void wait_at(int folder, const char *path) {
    char link[64], where[4096];
    if (root == NULL || path == NULL)
        return;
    if (path[0] != '/') {
        if (folder == AT_FDCWD)
            snprintf(link, sizeof link, "/proc/self/cwd");
        else
            snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
        ssize_t length = REAL(readlink)(link, where, sizeof where - 1);
        if (length <= 0)
            return;
        where[length] = 0;
        path = where;
    }
    if (below(path, root, root_length) && !(spare != NULL && below(path, spare, spare_length)))
        nanosleep(&pause_for, NULL);
}

#define WAIT(path) wait_at(AT_FDCWD, path)
#define PATH1(type, name, decl, args, path) type name decl { WAIT(path); return REAL(name) args; }
#define AT1(type, name, decl, args, folder, path) type name decl { wait_at(folder, path); return REAL(name) args; }

PATH1(int, link, (const char *a, const char *b), (a, b), b)
AT1(int, linkat, (int f, const char *a, int t, const char *b, int x), (f, a, t, b, x), t, b)
PATH1(int, rename, (const char *a, const char *b), (a, b), b)
AT1(int, renameat, (int f, const char *a, int t, const char *b), (f, a, t, b), t, b)
AT1(int, renameat2, (int f, const char *a, int t, const char *b, unsigned x), (f, a, t, b, x), t, b)
PATH1(int, mkdir, (const char *p, mode_t m), (p, m), p)
AT1(int, mkdirat, (int f, const char *p, mode_t m), (f, p, m), f, p)
PATH1(int, symlink, (const char *a, const char *b), (a, b), b)
AT1(int, symlinkat, (const char *a, int t, const char *b), (a, t, b), t, b)
PATH1(int, unlink, (const char *p), (p), p)
AT1(int, unlinkat, (int f, const char *p, int x), (f, p, x), f, p)
PATH1(int, rmdir, (const char *p), (p), p)
PATH1(int, chmod, (const char *p, mode_t m), (p, m), p)
AT1(int, fchmodat, (int f, const char *p, mode_t m, int x), (f, p, m, x), f, p)
AT1(int, utimensat, (int f, const char *p, const struct timespec t[2], int x), (f, p, t, x), f, p)
PATH1(int, stat, (const char *p, struct stat *s), (p, s), p)
PATH1(int, stat64, (const char *p, struct stat64 *s), (p, s), p)
PATH1(int, lstat, (const char *p, struct stat *s), (p, s), p)
PATH1(int, lstat64, (const char *p, struct stat64 *s), (p, s), p)
AT1(int, fstatat, (int f, const char *p, struct stat *s, int x), (f, p, s, x), f, p)
AT1(int, fstatat64, (int f, const char *p, struct stat64 *s, int x), (f, p, s, x), f, p)
AT1(int, statx, (int f, const char *p, int x, unsigned m, struct statx *s), (f, p, x, m, s), f, p[0] ? p : NULL)
PATH1(int, access, (const char *p, int m), (p, m), p)
AT1(int, faccessat, (int f, const char *p, int m, int x), (f, p, m, x), f, p)
PATH1(ssize_t, readlink, (const char *p, char *b, size_t n), (p, b, n), p)
AT1(ssize_t, readlinkat, (int f, const char *p, char *b, size_t n), (f, p, b, n), f, p)
PATH1(DIR *, opendir, (const char *p), (p), p)
PATH1(FILE *, fopen, (const char *p, const char *m), (p, m), p)
PATH1(FILE *, fopen64, (const char *p, const char *m), (p, m), p)
AT1(int, fsync, (int fd), (fd), fd, ".")
AT1(int, fdatasync, (int fd), (fd), fd, ".")
AT1(int, syncfs, (int fd), (fd), fd, ".")

#define OPENED(flags) ((flags) & O_CREAT || ((flags) & O_TMPFILE) == O_TMPFILE)
#define OPENS(name)                                                                                                    \
    int name(const char *path, int flags, ...) {                                                                       \
        mode_t mode = 0;                                                                                               \
        if (OPENED(flags)) { va_list rest; va_start(rest, flags); mode = va_arg(rest, mode_t); va_end(rest); }         \
        WAIT(path);                                                                                                    \
        return REAL(name)(path, flags, mode);                                                                          \
    }
#define OPENATS(name)                                                                                                  \
    int name(int folder, const char *path, int flags, ...) {                                                           \
        mode_t mode = 0;                                                                                               \
        if (OPENED(flags)) { va_list rest; va_start(rest, flags); mode = va_arg(rest, mode_t); va_end(rest); }         \
        wait_at(folder, path);                                                                                         \
        return REAL(name)(folder, path, flags, mode);                                                                  \
    }
OPENS(open)
OPENS(open64)
OPENATS(openat)
OPENATS(openat64)
