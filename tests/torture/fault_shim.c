// A bad disk for a program that is told of it by LD_PRELOAD: it counts what the program does to the
// files below $FAULT_PATH, and at one of these calls fails, does half, lies, or kills the program.
// It can also write down every call that had success, so that a power cut can be played afterwards.
//
//   FAULT_PATH    real path of a folder; only what lies in it is looked at
//   FAULT_OP      which calls count, with commas: write sync dirsync create unlink rename truncate
//                 allocate any
//   FAULT_NTH     the first one that is touched, from 1
//   FAULT_TIMES   how many are, 0: all from then on (default 1)
//   FAULT_ACTION  EIO ENOSPC EINTR     the call fails
//                 short                a write does half of it
//                 short_exit           the same, and the process is gone
//                 kill_before kill_after
//                 swallow              nothing is done, and success reported
//                 behind               a write is done when the next one comes, and so the last
//                 never
//   FAULT_GATE    a file; while it is missing nothing is touched
//   FAULT_HIT     a file that gets a line for the first call that was touched: "write 17 PATH"
//   FAULT_LOG     a file that gets every call that had success: tests/torture/disk_model.py
//   FAULT_KILL    a file; once it is there the process is killed between two calls, so that the log
//                 has all that was done
//
// One file of some length, because it is a library of its own: most of it is one short function for
// each call of libc that reaches a file.
//
// Everything is done by system calls and not by the next library, so that it does not matter which
// other ones are loaded, or when. glibc is asked for nothing that opens files.
#define _GNU_SOURCE
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
#include <time.h>
#include <unistd.h>

enum Op { kWrite, kSync, kDirSync, kCreate, kUnlink, kRename, kTruncate, kAllocate, kOps };
static const char* const kOpNames[kOps] = {"write",  "sync",   "dirsync",  "create",
                                           "unlink", "rename", "truncate", "allocate"};
enum Action { kNone, kFail, kShort, kShortExit, kKillBefore, kKillAfter, kSwallow, kBehind };
// What a record of the log tells; tests/torture/disk_model.py has the same numbers.
enum Logged {
  kLogWrite = 1,
  kLogSyncBegin,
  kLogSyncEnd,
  kLogCreate,
  kLogUnlink,
  kLogRename,
  kLogTruncate,
  kLogAllocate
};

struct LogHeader {
  uint32_t magic;  // 0x4c4c4146
  uint32_t kind;
  uint64_t time_ns;  // CLOCK_MONOTONIC
  uint64_t inode;
  uint64_t offset;  // of a write; the new size of a truncate or allocate; the token of a sync
  uint32_t path_bytes;
  uint32_t data_bytes;  // what was written; the new name of a rename
};

static char root[PATH_MAX];
static size_t root_bytes;
static int counted[kOps];
static long first_touched = -1;
static long times = 1;
static enum Action action = kNone;
static int error = EIO;
static const char* gate;
static const char* hit_file;
static const char* kill_file;
static int log_fd = -1;
// Held for reading while something is done and written down.
static pthread_rwlock_t done_and_logged = PTHREAD_RWLOCK_INITIALIZER;
static long calls;
static long tokens;
// The write that "behind" still owes.
static pthread_mutex_t owed_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct {
  int fd;
  off_t offset;
  char* bytes;
  size_t size;
} owed = {-1, 0, NULL, 0};

static int Open(const char* path, int flags, int mode) {
  return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

static void Die(void) {
  syscall(SYS_kill, getpid(), SIGKILL);
  for (;;) syscall(SYS_pause);
}

static const char* Copy(const char* text) { return text != NULL ? strdup(text) : NULL; }

__attribute__((constructor)) static void Begin(void) {
  const char* path = getenv("FAULT_PATH");
  if (path == NULL || strlen(path) >= sizeof(root)) return;
  strcpy(root, path);
  root_bytes = strlen(root);
  // Copies: redis-server overwrites its environment.
  gate = Copy(getenv("FAULT_GATE"));
  hit_file = Copy(getenv("FAULT_HIT"));
  const char* ops = getenv("FAULT_OP");
  for (int i = 0; ops != NULL && i < kOps; ++i) {
    counted[i] = strstr(ops, "any") != NULL;
    // "sync" is the end of "dirsync", so that whole words must be looked for.
    const size_t size = strlen(kOpNames[i]);
    for (const char* at = ops; (at = strstr(at, kOpNames[i])) != NULL; at += size) {
      if ((at == ops || at[-1] == ',') && (at[size] == ',' || at[size] == 0)) counted[i] = 1;
    }
  }
  if (getenv("FAULT_NTH") != NULL) first_touched = atol(getenv("FAULT_NTH"));
  if (getenv("FAULT_TIMES") != NULL) times = atol(getenv("FAULT_TIMES"));
  const char* what = getenv("FAULT_ACTION");
  const struct {
    const char* name;
    enum Action action;
    int error;
  } kActions[] = {
      {"EIO", kFail, EIO},           {"ENOSPC", kFail, ENOSPC},     {"EINTR", kFail, EINTR},
      {"short", kShort, 0},          {"short_exit", kShortExit, 0}, {"kill_before", kKillBefore, 0},
      {"kill_after", kKillAfter, 0}, {"swallow", kSwallow, 0},      {"behind", kBehind, 0}};
  for (size_t i = 0; what != NULL && i < sizeof(kActions) / sizeof(kActions[0]); ++i) {
    if (strcmp(what, kActions[i].name) != 0) continue;
    action = kActions[i].action;
    error = kActions[i].error;
  }
  kill_file = Copy(getenv("FAULT_KILL"));
  const char* log = getenv("FAULT_LOG");
  if (log != NULL) {
    const int fd = Open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    // High up, where no program closes what it did not open.
    log_fd = fcntl(fd, F_DUPFD_CLOEXEC, 900);
    close(fd);
  }
}

// Which calls are looked at.

static const char* Inside(const char* path) {
  if (strncmp(path, root, root_bytes) != 0) return NULL;
  if (path[root_bytes] == 0) return ".";
  return path[root_bytes] == '/' ? path + root_bytes + 1 : NULL;
}

/// The name below root of what a descriptor stands for; NULL: something else.
static const char* NameOf(int fd, char* buffer) {
  if (root_bytes == 0) return NULL;
  char link[40];
  snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
  const long size = syscall(SYS_readlinkat, AT_FDCWD, link, buffer, PATH_MAX - 1);
  if (size <= 0) return NULL;
  buffer[size] = 0;
  return Inside(buffer);
}

static const char* NameAt(int directory, const char* path, char* buffer) {
  if (root_bytes == 0 || path == NULL) return NULL;
  if (path[0] == '/') {
    snprintf(buffer, PATH_MAX, "%s", path);
    return Inside(buffer);
  }
  char base[PATH_MAX];
  if (directory == AT_FDCWD) {
    if (syscall(SYS_getcwd, base, sizeof(base)) <= 0) return NULL;
  } else {
    char link[40];
    snprintf(link, sizeof(link), "/proc/self/fd/%d", directory);
    const long size = syscall(SYS_readlinkat, AT_FDCWD, link, base, sizeof(base) - 1);
    if (size <= 0) return NULL;
    base[size] = 0;
  }
  if ((size_t)snprintf(buffer, PATH_MAX, "%s/%s", base, path) >= PATH_MAX) return NULL;
  return Inside(buffer);
}

/// What is to be done to this call.
static enum Action Touched(enum Op op, const char* name) {
  if (!counted[op] || action == kNone) return kNone;
  if (gate != NULL && syscall(SYS_faccessat, AT_FDCWD, gate, F_OK) != 0) return kNone;
  const long number = __atomic_add_fetch(&calls, 1, __ATOMIC_SEQ_CST);
  if (number < first_touched || (times != 0 && number >= first_touched + times)) return kNone;
  if (number == first_touched && hit_file != NULL) {
    char line[PATH_MAX + 64];
    const int size = snprintf(line, sizeof(line), "%s %ld %s\n", kOpNames[op], number, name);
    const int fd = Open(hit_file, O_WRONLY | O_CREAT | O_APPEND, 0600);
    syscall(SYS_write, fd, line, size);
    close(fd);
  }
  if (action == kKillBefore) Die();
  return action;
}

// The log.

static void Hold(void) {
  if (kill_file != NULL && syscall(SYS_faccessat, AT_FDCWD, kill_file, F_OK) == 0) {
    pthread_rwlock_wrlock(&done_and_logged);
    Die();
  }
  pthread_rwlock_rdlock(&done_and_logged);
}
static void Release(void) {
  const int kept = errno;
  pthread_rwlock_unlock(&done_and_logged);
  errno = kept;
}

static void Log(enum Logged kind, uint64_t inode, uint64_t offset, const char* name,
                const void* data, size_t data_bytes) {
  if (log_fd < 0) return;
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  struct LogHeader header = {0x4c4c4146,
                             kind,
                             (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec,
                             inode,
                             offset,
                             (uint32_t)strlen(name),
                             (uint32_t)data_bytes};
  const struct iovec parts[3] = {
      {&header, sizeof(header)}, {(void*)name, header.path_bytes}, {(void*)data, data_bytes}};
  syscall(SYS_writev, log_fd, parts, 3);  // appended as one piece
}

static uint64_t InodeOf(int fd) {
  struct stat status;
  return fstat(fd, &status) == 0 ? (uint64_t)status.st_ino : 0;
}

static uint64_t InodeAt(const char* whole_path) {
  struct stat status;
  return lstat(whole_path, &status) == 0 ? (uint64_t)status.st_ino : 0;
}

// Writing. An offset of -1 is the descriptor's own place.

static ssize_t WriteRaw(int fd, const char* bytes, size_t size, off_t offset) {
  if (offset >= 0) return syscall(SYS_pwrite64, fd, bytes, size, offset);
  return syscall(SYS_write, fd, bytes, size);
}

static ssize_t WriteLogged(int fd, const char* bytes, size_t size, off_t offset, const char* name) {
  Hold();
  const ssize_t done = WriteRaw(fd, bytes, size, offset);
  if (done > 0 && log_fd >= 0) {
    if (offset < 0) offset = lseek(fd, 0, SEEK_CUR) - done;
    Log(kLogWrite, InodeOf(fd), (uint64_t)offset, name, bytes, (size_t)done);
  }
  Release();
  return done;
}

static ssize_t WriteBehind(int fd, const char* bytes, size_t size, off_t offset) {
  if (offset < 0) offset = lseek(fd, (off_t)size, SEEK_CUR) - (off_t)size;
  pthread_mutex_lock(&owed_mutex);
  if (owed.fd >= 0) {
    WriteRaw(owed.fd, owed.bytes, owed.size, owed.offset);
    close(owed.fd);
    free(owed.bytes);
  }
  owed.fd = fcntl(fd, F_DUPFD_CLOEXEC, 800);
  owed.offset = offset;
  owed.bytes = malloc(size);
  owed.size = size;
  memcpy(owed.bytes, bytes, size);
  pthread_mutex_unlock(&owed_mutex);
  return (ssize_t)size;
}

static ssize_t Write(int fd, const char* bytes, size_t size, off_t offset) {
  char buffer[PATH_MAX];
  const char* name = NameOf(fd, buffer);
  if (name == NULL) return WriteRaw(fd, bytes, size, offset);
  switch (Touched(kWrite, name)) {
    case kFail:
      errno = error;
      return -1;
    case kShort:
      return WriteLogged(fd, bytes, size > 1 ? size / 2 : size, offset, name);
    case kShortExit:
      WriteLogged(fd, bytes, size / 2, offset, name);
      Die();
      return -1;
    case kSwallow:
      if (offset < 0) lseek(fd, (off_t)size, SEEK_CUR);
      return (ssize_t)size;
    case kBehind:
      return WriteBehind(fd, bytes, size, offset);
    case kKillAfter:
      WriteLogged(fd, bytes, size, offset, name);
      Die();
      return -1;
    default:
      return WriteLogged(fd, bytes, size, offset, name);
  }
}

static ssize_t WriteParts(int fd, const struct iovec* parts, int count, off_t offset) {
  char buffer[PATH_MAX];
  if (NameOf(fd, buffer) == NULL) {
    if (offset >= 0) {
      return syscall(SYS_pwritev, fd, parts, count, (unsigned long)offset, 0ul);
    }
    return syscall(SYS_writev, fd, parts, count);
  }
  size_t size = 0;
  for (int i = 0; i < count; ++i) size += parts[i].iov_len;
  char* whole = malloc(size > 0 ? size : 1);
  size_t at = 0;
  for (int i = 0; i < count; ++i) {
    memcpy(whole + at, parts[i].iov_base, parts[i].iov_len);
    at += parts[i].iov_len;
  }
  const ssize_t done = Write(fd, whole, size, offset);
  const int kept = errno;
  free(whole);
  errno = kept;
  return done;
}

ssize_t write(int fd, const void* bytes, size_t size) { return Write(fd, bytes, size, -1); }
ssize_t pwrite(int fd, const void* bytes, size_t size, off_t offset) {
  return Write(fd, bytes, size, offset);
}
ssize_t pwrite64(int fd, const void* bytes, size_t size, off64_t offset) {
  return Write(fd, bytes, size, offset);
}
ssize_t writev(int fd, const struct iovec* parts, int count) {
  return WriteParts(fd, parts, count, -1);
}
ssize_t pwritev(int fd, const struct iovec* parts, int count, off_t offset) {
  return WriteParts(fd, parts, count, offset);
}
ssize_t pwritev64(int fd, const struct iovec* parts, int count, off64_t offset) {
  return WriteParts(fd, parts, count, offset);
}

// RWF_APPEND and the like are not looked at.
ssize_t pwritev2(int fd, const struct iovec* parts, int count, off_t offset, int flags) {
  (void)flags;
  return WriteParts(fd, parts, count, offset);
}
ssize_t pwritev64v2(int fd, const struct iovec* parts, int count, off64_t offset, int flags) {
  (void)flags;
  return WriteParts(fd, parts, count, offset);
}

// All other calls.

/// -1 with errno when the call must fail; 0: do it and call After(); 1: do not, and report success.
static int Before(enum Op op, const char* name, enum Action* todo) {
  *todo = Touched(op, name);
  if (*todo == kFail) {
    errno = error;
    return -1;
  }
  return *todo == kSwallow ? 1 : 0;
}

static void After(enum Action todo) {
  if (todo == kKillAfter || todo == kShortExit) Die();
}

static int Sync(int fd, long number) {
  char buffer[PATH_MAX];
  const char* name = NameOf(fd, buffer);
  if (name == NULL) return (int)syscall(number, fd);
  struct stat status;
  if (fstat(fd, &status) != 0) return -1;
  enum Action todo;
  const int stop = Before(S_ISDIR(status.st_mode) ? kDirSync : kSync, name, &todo);
  if (stop < 0) return -1;
  if (stop > 0) return 0;
  const uint64_t token = (uint64_t)__atomic_add_fetch(&tokens, 1, __ATOMIC_SEQ_CST);
  Hold();
  Log(kLogSyncBegin, (uint64_t)status.st_ino, token, name, NULL, 0);
  const int result = (int)syscall(number, fd);
  if (result == 0) Log(kLogSyncEnd, (uint64_t)status.st_ino, token, name, NULL, 0);
  Release();
  After(todo);
  return result;
}
int fsync(int fd) { return Sync(fd, SYS_fsync); }
int fdatasync(int fd) { return Sync(fd, SYS_fdatasync); }

static int Truncate(int fd, off_t size) {
  char buffer[PATH_MAX];
  const char* name = NameOf(fd, buffer);
  if (name == NULL) return (int)syscall(SYS_ftruncate, fd, size);
  enum Action todo;
  const int stop = Before(kTruncate, name, &todo);
  if (stop != 0) return stop < 0 ? -1 : 0;
  Hold();
  const int result = (int)syscall(SYS_ftruncate, fd, size);
  if (result == 0) Log(kLogTruncate, InodeOf(fd), (uint64_t)size, name, NULL, 0);
  Release();
  After(todo);
  return result;
}
int ftruncate(int fd, off_t size) { return Truncate(fd, size); }
int ftruncate64(int fd, off64_t size) { return Truncate(fd, size); }
int truncate(const char* path, off_t size) {
  const int fd = Open(path, O_WRONLY | O_CLOEXEC, 0);
  if (fd < 0) return -1;
  const int result = Truncate(fd, size);
  const int kept = errno;
  close(fd);
  errno = kept;
  return result;
}
int truncate64(const char* path, off64_t size) { return truncate(path, size); }

static int Allocate(int fd, int mode, off_t offset, off_t size) {
  char buffer[PATH_MAX];
  const char* name = NameOf(fd, buffer);
  if (name == NULL) return (int)syscall(SYS_fallocate, fd, mode, offset, size);
  enum Action todo;
  const int stop = Before(kAllocate, name, &todo);
  if (stop != 0) return stop < 0 ? -1 : 0;
  Hold();
  const int result = (int)syscall(SYS_fallocate, fd, mode, offset, size);
  if (result == 0 && mode == 0) {
    Log(kLogAllocate, InodeOf(fd), (uint64_t)(offset + size), name, NULL, 0);
  }
  Release();
  After(todo);
  return result;
}
int fallocate(int fd, int mode, off_t offset, off_t size) {
  return Allocate(fd, mode, offset, size);
}
int fallocate64(int fd, int mode, off64_t offset, off64_t size) {
  return Allocate(fd, mode, offset, size);
}
int posix_fallocate(int fd, off_t offset, off_t size) {
  const int kept = errno;
  const int result = Allocate(fd, 0, offset, size) == 0 ? 0 : errno;
  errno = kept;
  return result;
}
int posix_fallocate64(int fd, off64_t offset, off64_t size) {
  return posix_fallocate(fd, offset, size);
}

static int OpenAt(int directory, const char* path, int flags, int mode) {
  if ((flags & (O_CREAT | O_TRUNC)) == 0 || (flags & O_TMPFILE) == O_TMPFILE) {
    return (int)syscall(SYS_openat, directory, path, flags, mode);
  }
  char buffer[PATH_MAX];
  const char* name = NameAt(directory, path, buffer);
  if (name == NULL) return (int)syscall(SYS_openat, directory, path, flags, mode);
  const int is_new = InodeAt(buffer) == 0;
  enum Action todo = kNone;
  // An open that makes nothing is not counted, and one cannot be swallowed.
  if (is_new && Before(kCreate, name, &todo) < 0) return -1;
  Hold();
  const int fd = (int)syscall(SYS_openat, directory, path, flags, mode);
  if (fd >= 0 && is_new) Log(kLogCreate, InodeOf(fd), 0, name, NULL, 0);
  if (fd >= 0 && !is_new && (flags & O_TRUNC) != 0) {
    Log(kLogTruncate, InodeOf(fd), 0, name, NULL, 0);
  }
  Release();
  After(todo);
  return fd;
}

static int ModeOf(int flags, va_list arguments) {
  return (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE ? va_arg(arguments, int) : 0;
}
#define OPEN(NAME)                              \
  int NAME(const char* path, int flags, ...) {  \
    va_list arguments;                          \
    va_start(arguments, flags);                 \
    const int mode = ModeOf(flags, arguments);  \
    va_end(arguments);                          \
    return OpenAt(AT_FDCWD, path, flags, mode); \
  }
OPEN(open)
OPEN(open64)
#define OPENAT(NAME)                                          \
  int NAME(int directory, const char* path, int flags, ...) { \
    va_list arguments;                                        \
    va_start(arguments, flags);                               \
    const int mode = ModeOf(flags, arguments);                \
    va_end(arguments);                                        \
    return OpenAt(directory, path, flags, mode);              \
  }
OPENAT(openat)
OPENAT(openat64)
int creat(const char* path, mode_t mode) {
  return OpenAt(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, (int)mode);
}

static int UnlinkAt(int directory, const char* path, int flags) {
  char buffer[PATH_MAX];
  const char* name = NameAt(directory, path, buffer);
  if (name == NULL) return (int)syscall(SYS_unlinkat, directory, path, flags);
  const uint64_t inode = InodeAt(buffer);
  enum Action todo;
  const int stop = Before(kUnlink, name, &todo);
  if (stop != 0) return stop < 0 ? -1 : 0;
  Hold();
  const int result = (int)syscall(SYS_unlinkat, directory, path, flags);
  if (result == 0) Log(kLogUnlink, inode, 0, name, NULL, 0);
  Release();
  After(todo);
  return result;
}
int unlink(const char* path) { return UnlinkAt(AT_FDCWD, path, 0); }
int unlinkat(int directory, const char* path, int flags) {
  return UnlinkAt(directory, path, flags);
}
int remove(const char* path) {
  struct stat status;
  if (lstat(path, &status) != 0) return -1;
  return UnlinkAt(AT_FDCWD, path, S_ISDIR(status.st_mode) ? AT_REMOVEDIR : 0);
}

static int RenameAt(int from_directory, const char* from, int to_directory, const char* to,
                    unsigned flags) {
  char from_buffer[PATH_MAX];
  char to_buffer[PATH_MAX];
  const char* from_name = NameAt(from_directory, from, from_buffer);
  const char* to_name = NameAt(to_directory, to, to_buffer);
  if (from_name == NULL || to_name == NULL) {
    return (int)syscall(SYS_renameat2, from_directory, from, to_directory, to, flags);
  }
  enum Action todo;
  const int stop = Before(kRename, from_name, &todo);
  if (stop != 0) return stop < 0 ? -1 : 0;
  const uint64_t inode = InodeAt(from_buffer);
  Hold();
  const int result = (int)syscall(SYS_renameat2, from_directory, from, to_directory, to, flags);
  if (result == 0) Log(kLogRename, inode, 0, from_name, to_name, strlen(to_name));
  Release();
  After(todo);
  return result;
}
int rename(const char* from, const char* to) { return RenameAt(AT_FDCWD, from, AT_FDCWD, to, 0); }
int renameat(int from_directory, const char* from, int to_directory, const char* to) {
  return RenameAt(from_directory, from, to_directory, to, 0);
}
int renameat2(int from_directory, const char* from, int to_directory, const char* to,
              unsigned flags) {
  return RenameAt(from_directory, from, to_directory, to, flags);
}
