/* Stands between a program and its disk (LD_PRELOAD), for the fault tests. It records every change that is
 * made to files below some folders, each a "device" of its own, and can do harm at the n-th:
 *
 *   STRONGROOM_FAULT_ROOTS  folders, with ':' between; device 0 is the first
 *   STRONGROOM_FAULT_LOG    file for the record, to be replayed (tests/faults/record.rs)
 *   STRONGROOM_FAULT        kill@n      SIGKILL in place of the n-th change
 *                           tear@n      the same, with half of it done if it is a write
 *                           full@n      from the n-th allocation on there is no space; half of a write fits
 *                           readonly@n  from the n-th change on nothing can be changed
 *                           nosync@n    the n-th fsync fails, once
 *                           malloc@n    the n-th allocation of memory fails, once
 *   STRONGROOM_FAULT_ON     the device that full, readonly and nosync are about; without it all
 *   STRONGROOM_FAULT_LIES   if set, no fsync is carried out, and all are reported as done: a control
 *
 * A record is: kind, device, allocates (1 byte each), inode, offset, two lengths (8 bytes each), two texts. One
 * of kind A is what was told to the world, one of kind H says that an allocation of memory failed.
 * The changes are made by system calls of libc; SQLite in WAL mode under an exclusive lock maps nothing. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define REAL(type, name) ((type)dlsym(RTLD_NEXT, name))
enum { OTHER = -1 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char roots[8][PATH_MAX];
static int root_count, record_fd = -1, only = -1, lies;
static char harm[16];
static long harm_at, changes, allocations, syncs;
static _Atomic long mallocs;
static long malloc_at;

static ssize_t raw_write(int fd, const void *bytes, size_t length) { return syscall(SYS_write, fd, bytes, length); }

__attribute__((constructor)) static void begin(void) {
    const char *value = getenv("STRONGROOM_FAULT_ROOTS");
    for (; value && *value && root_count < 8; root_count++) {
        size_t length = strcspn(value, ":");
        if (length < PATH_MAX) memcpy(roots[root_count], value, length);
        value += length + (value[length] == ':');
    }
    if ((value = getenv("STRONGROOM_FAULT_LOG")))
        record_fd = syscall(SYS_openat, AT_FDCWD, value, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if ((value = getenv("STRONGROOM_FAULT_ON"))) only = atoi(value);
    lies = getenv("STRONGROOM_FAULT_LIES") != NULL;
    value = getenv("STRONGROOM_FAULT");
    if (value && sscanf(value, "%15[^@]@%ld", harm, &harm_at) == 2 && !strcmp(harm, "malloc")) {
        malloc_at = harm_at;
        mallocs = 0;
    }
}

static void record(char kind, int device, int allocates, uint64_t inode, uint64_t offset, const void *one,
                   uint64_t one_length, const char *two) {
    if (record_fd < 0) return;
    unsigned char head[35] = {kind, device, allocates};
    uint64_t two_length = two ? strlen(two) : 0;
    memcpy(head + 3, &inode, 8), memcpy(head + 11, &offset, 8);
    memcpy(head + 19, &one_length, 8), memcpy(head + 27, &two_length, 8);
    struct iovec parts[3] = {{head, 35}, {(void *)one, one_length}, {(void *)two, two_length}};
    if (syscall(SYS_writev, record_fd, parts, 3) < 0) abort();
}

__attribute__((destructor)) static void end(void) { record('X', 0, 0, 0, mallocs, NULL, 0, NULL); }

/* The device of a path, and the path from its root on. */
static int device_of(const char *path, const char **inside) {
    for (int i = 0; i < root_count; i++) {
        size_t length = strlen(roots[i]);
        if (!strncmp(path, roots[i], length) && path[length] == '/') {
            if (inside) *inside = path + length + 1;
            return i;
        }
        if (!strcmp(path, roots[i])) {
            if (inside) *inside = "";
            return i;
        }
    }
    return OTHER;
}

static int device_of_fd(int fd, char path[PATH_MAX], const char **inside) {
    char link[40];
    if (!root_count) return OTHER;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    if (length < 0) return OTHER;
    path[length] = 0;
    return device_of(path, inside);
}

static void die(void) {
    for (;;) kill(getpid(), SIGKILL);
}

/* Counts a change. Returns 0 if it is to be carried out, -1 if it fails (errno is set), 1 if only half of it is. */
static int harmed(int device, int is_write, int allocates) {
    int ours = only < 0 || only == device;
    changes += ours, allocations += ours && allocates;
    if (!ours || !*harm) return 0;
    if (!strcmp(harm, "kill") && changes == harm_at) die();
    if (!strcmp(harm, "tear") && changes == harm_at) {
        if (!is_write) die();
        return 1;
    }
    if (!strcmp(harm, "full") && allocates && allocations >= harm_at) {
        if (is_write && allocations == harm_at) return 1;
        errno = ENOSPC;
        return -1;
    }
    if (!strcmp(harm, "readonly") && changes >= harm_at) {
        errno = is_write ? EIO : EROFS;
        return -1;
    }
    return 0;
}

static ssize_t change_by_write(int fd, const void *bytes, size_t length, off_t at, int positioned) {
    char path[PATH_MAX];
    const char *inside;
    if (fd == 1) record('A', 0, 0, 0, 0, bytes, length, NULL);
    int device = device_of_fd(fd, path, &inside);
    if (device == OTHER)
        return positioned ? syscall(SYS_pwrite64, fd, bytes, length, at) : raw_write(fd, bytes, length);
    struct stat about;
    pthread_mutex_lock(&lock);
    fstat(fd, &about);
    if (!positioned) at = fcntl(fd, F_GETFL) & O_APPEND ? about.st_size : lseek(fd, 0, SEEK_CUR);
    int allocates = at + (off_t)length > about.st_size;
    int harm_done = harmed(device, 1, allocates);
    ssize_t done = -1;
    if (harm_done >= 0) {
        size_t part = harm_done ? length / 2 : length;
        done = positioned ? syscall(SYS_pwrite64, fd, bytes, part, at) : raw_write(fd, bytes, part);
        if (done > 0) record('W', device, allocates, about.st_ino, at, bytes, done, NULL);
        if (harm_done && !strcmp(harm, "tear")) die();
        if (harm_done && done == 0 && length) errno = ENOSPC, done = -1;
    }
    pthread_mutex_unlock(&lock);
    return done;
}

ssize_t write(int fd, const void *bytes, size_t length) { return change_by_write(fd, bytes, length, 0, 0); }
ssize_t pwrite(int fd, const void *bytes, size_t length, off_t at) { return change_by_write(fd, bytes, length, at, 1); }
ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t at) { return change_by_write(fd, bytes, length, at, 1); }

/* One part at a time is allowed, and every caller has to be ready for it. */
ssize_t writev(int fd, const struct iovec *parts, int count) {
    char path[PATH_MAX];
    if (fd != 1 && device_of_fd(fd, path, NULL) == OTHER) return syscall(SYS_writev, fd, parts, count);
    for (int i = 0; i < count; i++)
        if (parts[i].iov_len) return change_by_write(fd, parts[i].iov_base, parts[i].iov_len, 0, 0);
    return 0;
}

/* Without these, std::fs::copy and io::copy write by themselves. */
ssize_t copy_file_range(int a, off64_t *b, int c, off64_t *d, size_t e, unsigned f) {
    (void)a, (void)b, (void)c, (void)d, (void)e, (void)f, errno = ENOSYS;
    return -1;
}
ssize_t sendfile64(int a, int b, off64_t *c, size_t d) {
    (void)a, (void)b, (void)c, (void)d, errno = ENOSYS;
    return -1;
}

static int change_by_truncate(int fd, off_t length) {
    char path[PATH_MAX];
    struct stat about;
    int device = device_of_fd(fd, path, NULL);
    if (device == OTHER) return syscall(SYS_ftruncate, fd, length);
    pthread_mutex_lock(&lock);
    fstat(fd, &about);
    int done = harmed(device, 0, 0) ? -1 : syscall(SYS_ftruncate, fd, length);
    if (!done) record('T', device, 0, about.st_ino, length, NULL, 0, NULL);
    pthread_mutex_unlock(&lock);
    return done;
}
int ftruncate(int fd, off_t length) { return change_by_truncate(fd, length); }
int ftruncate64(int fd, off64_t length) { return change_by_truncate(fd, length); }

static int sync_fd(int fd, long call) {
    char path[PATH_MAX];
    const char *inside;
    struct stat about;
    int device = device_of_fd(fd, path, &inside);
    if (device == OTHER) return syscall(call, fd);
    pthread_mutex_lock(&lock);
    int done = harmed(device, 0, 0) ? -1 : 0;
    if (!done && (only < 0 || only == device) && ++syncs == harm_at && !strcmp(harm, "nosync"))
        errno = EIO, done = -1;
    if (!done && !lies) {
        fstat(fd, &about);
        done = syscall(call, fd);
        if (!done && S_ISDIR(about.st_mode)) record('S', device, 0, about.st_ino, 0, inside, strlen(inside), NULL);
        else if (!done) record('F', device, 0, about.st_ino, 0, NULL, 0, NULL);
    }
    pthread_mutex_unlock(&lock);
    return done;
}
int fsync(int fd) { return sync_fd(fd, SYS_fsync); }
int fdatasync(int fd) { return sync_fd(fd, SYS_fdatasync); }

/* Only recorded: carried out, it would wait for everything that anybody writes to the same file system. */
int syncfs(int fd) {
    char path[PATH_MAX];
    const char *inside;
    int device = device_of_fd(fd, path, &inside);
    if (device == OTHER) return syscall(SYS_syncfs, fd);
    pthread_mutex_lock(&lock);
    int done = harmed(device, 0, 0) ? -1 : 0;
    if (!done && (only < 0 || only == device) && ++syncs == harm_at && !strcmp(harm, "nosync"))
        errno = EIO, done = -1;
    if (!done && !lies) record('Y', device, 0, 0, 0, NULL, 0, NULL);
    pthread_mutex_unlock(&lock);
    return done;
}

static int change_by_open(int folder, const char *path, int flags, mode_t mode) {
    const char *inside;
    struct stat about;
    int device = path[0] == '/' ? device_of(path, &inside) : OTHER;
    if (device != OTHER && !strcmp(harm, "readonly") && (only < 0 || only == device) && changes >= harm_at &&
        flags & O_ACCMODE) {
        errno = EROFS;
        return -1;
    }
    if (device == OTHER || !(flags & (O_CREAT | O_TRUNC))) return syscall(SYS_openat, folder, path, flags, mode);
    pthread_mutex_lock(&lock);
    int is_new = syscall(SYS_newfstatat, AT_FDCWD, path, &about, 0) != 0, fd = -1;
    if ((!is_new && !(flags & O_TRUNC)) || !harmed(device, 0, is_new)) {
        fd = syscall(SYS_openat, folder, path, flags, mode);
        if (fd >= 0 && (is_new || flags & O_TRUNC)) {
            fstat(fd, &about);
            record(is_new ? 'C' : 'T', device, is_new, about.st_ino, 0, inside, strlen(inside), NULL);
        }
    }
    pthread_mutex_unlock(&lock);
    return fd;
}
#define OPEN(name)                                                  \
    int name(const char *path, int flags, ...) {                    \
        va_list rest;                                               \
        va_start(rest, flags);                                      \
        mode_t mode = flags & O_CREAT ? va_arg(rest, mode_t) : 0;   \
        va_end(rest);                                               \
        return change_by_open(AT_FDCWD, path, flags, mode);         \
    }
OPEN(open)
OPEN(open64)
#define OPENAT(name)                                                \
    int name(int folder, const char *path, int flags, ...) {        \
        va_list rest;                                               \
        va_start(rest, flags);                                      \
        mode_t mode = flags & O_CREAT ? va_arg(rest, mode_t) : 0;   \
        va_end(rest);                                               \
        return change_by_open(folder, path, flags, mode);           \
    }
OPENAT(openat)
OPENAT(openat64)

int rename(const char *from, const char *to) {
    const char *in_from, *in_to;
    int device = device_of(from, &in_from);
    if (device == OTHER || device_of(to, &in_to) != device) return syscall(SYS_rename, from, to);
    pthread_mutex_lock(&lock);
    int done = harmed(device, 0, 0) ? -1 : syscall(SYS_rename, from, to);
    if (!done) record('R', device, 0, 0, 0, in_from, strlen(in_from), in_to);
    pthread_mutex_unlock(&lock);
    return done;
}

static int change_name(const char *path, char kind, long call, long second) {
    const char *inside;
    int device = device_of(path, &inside);
    if (device == OTHER) return syscall(call, path, second);
    pthread_mutex_lock(&lock);
    int done = harmed(device, 0, kind == 'M') ? -1 : syscall(call, path, second);
    if (!done) record(kind, device, kind == 'M', 0, 0, inside, strlen(inside), NULL);
    pthread_mutex_unlock(&lock);
    return done;
}
int unlink(const char *path) { return change_name(path, 'U', SYS_unlink, 0); }
int rmdir(const char *path) { return change_name(path, 'D', SYS_rmdir, 0); }
int mkdir(const char *path, mode_t mode) { return change_name(path, 'M', SYS_mkdir, mode); }

/* std::fs::remove_dir_all */
int unlinkat(int folder, const char *name, int flags) {
    char path[2 * PATH_MAX];
    if (name[0] == '/' || folder == AT_FDCWD) snprintf(path, sizeof path, "%s", name);
    else {
        char link[40];
        snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
        ssize_t length = readlink(link, path, PATH_MAX - 1);
        if (length < 0) return syscall(SYS_unlinkat, folder, name, flags);
        snprintf(path + length, sizeof path - length, "/%s", name);
    }
    return flags & AT_REMOVEDIR ? rmdir(path) : unlink(path);
}

int futimens(int fd, const struct timespec times[2]) {
    char path[PATH_MAX];
    int device = device_of_fd(fd, path, NULL);
    if (device != OTHER && harmed(device, 0, 0)) return -1;
    return syscall(SYS_utimensat, fd, NULL, times, 0);
}

extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);
static int refused(void) {
    if (++mallocs != malloc_at) return 0;
    record('H', 0, 0, 0, 0, NULL, 0, NULL);
    errno = ENOMEM;
    return 1;
}
void *malloc(size_t size) { return refused() ? NULL : __libc_malloc(size); }
void *calloc(size_t count, size_t size) { return refused() ? NULL : __libc_calloc(count, size); }
void *realloc(void *old, size_t size) { return refused() ? NULL : __libc_realloc(old, size); }
int posix_memalign(void **out, size_t alignment, size_t size) {
    if (refused() || !(*out = __libc_memalign(alignment, size))) return ENOMEM;
    return 0;
}
