/* A CUDA driver library without a GPU: what the driver probe calls, over host memory.
 *
 * It keeps the rules of the driver API that a caller can break: nothing before cuInit, a current context for memory and
 * launches, live handles only, addresses inside live allocations. Launches run in C from the contract that is written
 * above each kernel in kernels.ptx. What it counts lies in a mapped file, so that it is there after a crash too.
 *
 * Variables:
 *   FAKECUDA_REPORT   file of counters: int64 x COUNTERS, in the order of `enum counter`
 *   FAKECUDA_DEVICES  devices, split by ';', of fields split by ',':
 *                     name,major.minor,memory MiB,compute mode,number for the UUID,mig (0 or 1)
 *   FAKECUDA_VERSION  what cuDriverGetVersion answers (12080)
 *   FAKECUDA_FAIL     call=code[@nth][,call=code...]: answer `code`; from the nth call on (1)
 *   FAKECUDA_STICKY   1: once a call has failed, all calls of that context answer the same, as after a lost context
 *   FAKECUDA_HANG     call[@nth]: never return from it
 *   FAKECUDA_CRASH    call[@nth]: write to address 0 in it;  FAKECUDA_EXIT: call exit(7) in it
 *   FAKECUDA_KILL     call[@nth]: end by SIGKILL, as the OOM killer does
 *   FAKECUDA_COMPILER a library to load when PTX is compiled, as the driver loads libnvidia-ptxjitcompiler.so.1
 *   FAKECUDA_SHOUT    print to standard output from cuInit
 *   FAKECUDA_WRONG    kernel=how: flip (one bit), unwritten, zeros, overrun; kernel is vadd, matmul, reduce or copy
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

typedef int Result;
typedef uint64_t Address;

enum { SUCCESS = 0, INVALID_VALUE = 1, OUT_OF_MEMORY = 2, NOT_INITIALIZED = 3, NO_DEVICE = 100, INVALID_DEVICE = 101,
       INVALID_IMAGE = 200, INVALID_CONTEXT = 201, UNSUPPORTED_PTX = 222, INVALID_HANDLE = 400, NOT_FOUND = 500,
       ILLEGAL_ADDRESS = 700 };

enum counter { CALLS, CONTEXTS, MODULES, EVENTS, ALLOCATIONS, PINNED, LAUNCHES, BYTES, MISUSES, COUNTERS };

static int64_t fallback[COUNTERS];
static int64_t *count = fallback;

struct device { char name[128]; int major, minor, mode, number, mig; size_t memory; };
static struct device devices[16];
static int devices_count;
static int initialised;
static Result lost;

struct context { int device; int retained; };
static struct context contexts[16];
static struct context *current;

struct block { Address address; size_t size; void *memory; };
static struct block blocks[256], pinned[64];

struct module { int live; };
static struct module modules[16];
struct event { int live; double at; };
static struct event events[64];
static double now_ms = 1.0;
static char kernels[3][8] = { "vadd", "matmul", "reduce" };

/* --- what was asked of it --- */

static int times_called(const char *call)
{
    static struct { char call[64]; int times; } seen[64];
    int i = 0;
    while (seen[i].call[0] && strcmp(seen[i].call, call)) i++;
    strcpy(seen[i].call, call);
    return ++seen[i].times;
}

static int is_asked(const char *variable, const char *call, int times)
{
    const char *value = getenv(variable);
    size_t length = strlen(call);
    if (!value || strncmp(value, call, length)) return 0;
    return value[length] ? value[length] == '@' && times == atoi(value + length + 1) : 1;
}

static void open_report(void)
{
    const char *path = getenv("FAKECUDA_REPORT");
    if (!path || count != fallback) return;
    int fd = open(path, O_RDWR | O_CREAT, 0644);
    if (fd < 0 || ftruncate(fd, sizeof fallback) != 0) abort();
    int64_t *mapped = mmap(0, sizeof fallback, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (mapped == MAP_FAILED) abort();
    close(fd);
    count = mapped;
}

static Result asked(const char *call)
{
    open_report();
    count[CALLS]++;
    int times = times_called(call);
    if (is_asked("FAKECUDA_HANG", call, times)) for (;;) pause();
    if (is_asked("FAKECUDA_CRASH", call, times)) *(volatile int *)0 = 1;
    if (is_asked("FAKECUDA_KILL", call, times)) raise(SIGKILL);
    if (is_asked("FAKECUDA_EXIT", call, times)) exit(7);
    if (!strcmp(call, "cuDevicePrimaryCtxRetain")) lost = SUCCESS; /* another device, another context */
    if (lost) return lost;
    const char *list = getenv("FAKECUDA_FAIL");
    size_t length = strlen(call);
    while (list && *list) {
        if (strncmp(list, call, length) == 0 && list[length] == '=') {
            char *end;
            int code = (int)strtol(list + length + 1, &end, 10), from = *end == '@' ? atoi(end + 1) : 1;
            if (times >= from) {
                if (getenv("FAKECUDA_STICKY")) lost = code;
                return code;
            }
        }
        list = strchr(list, ',');
        if (list) list++;
    }
    return SUCCESS;
}

static const char *wrong(const char *what)
{
    const char *value = getenv("FAKECUDA_WRONG");
    size_t length = strlen(what);
    return value && strncmp(value, what, length) == 0 && value[length] == '=' ? value + length + 1 : "";
}

static Result misused(Result result)
{
    count[MISUSES]++;
    return result;
}

#define ASK(call) do { Result asked_ = asked(call); if (asked_) return asked_; } while (0)
#define NEED_INIT() do { if (!initialised) return misused(NOT_INITIALIZED); } while (0)
#define NEED_CONTEXT() do { NEED_INIT(); if (!current || !current->retained) return misused(INVALID_CONTEXT); } while (0)

/* --- driver and devices --- */

Result cuGetErrorName(int result, const char **text)
{
    static const struct { int number; const char *name; } names[] = {
        { 0, "CUDA_SUCCESS" }, { 2, "CUDA_ERROR_OUT_OF_MEMORY" }, { 3, "CUDA_ERROR_NOT_INITIALIZED" },
        { 34, "CUDA_ERROR_STUB_LIBRARY" }, { 46, "CUDA_ERROR_DEVICE_UNAVAILABLE" }, { 100, "CUDA_ERROR_NO_DEVICE" },
        { 214, "CUDA_ERROR_ECC_UNCORRECTABLE" }, { 700, "CUDA_ERROR_ILLEGAL_ADDRESS" },
        { 803, "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH" }, { 999, "CUDA_ERROR_UNKNOWN" } };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].number == result) { *text = names[i].name; return SUCCESS; }
    *text = 0;
    return INVALID_VALUE;
}

Result cuGetErrorString(int result, const char **text)
{
    *text = result ? "what the driver says about it" : "no error";
    return SUCCESS;
}

Result cuDriverGetVersion(int *version)
{
    ASK("cuDriverGetVersion");
    const char *value = getenv("FAKECUDA_VERSION");
    *version = value ? atoi(value) : 12080;
    return SUCCESS;
}

static void read_devices(void)
{
    struct device all[16];
    int n = 0;
    const char *list = getenv("FAKECUDA_DEVICES");
    char text[4096], *rest = text, *item;
    snprintf(text, sizeof text, "%s", list ? list : "Fake H100,9.0,81920,0,1,0");
    while ((item = strsep(&rest, ";"))) {
        struct device *d = &all[n];
        unsigned long mib;
        if (sscanf(item, "%127[^,],%d.%d,%lu,%d,%d,%d", d->name, &d->major, &d->minor, &mib, &d->mode, &d->number,
                   &d->mig) != 7) continue;
        d->memory = (size_t)mib << 20;
        n++;
    }
    const char *visible = getenv("CUDA_VISIBLE_DEVICES");
    if (!visible) {
        memcpy(devices, all, sizeof devices);
        devices_count = n;
        return;
    }
    snprintf(text, sizeof text, "%s", visible);
    rest = text;
    while ((item = strsep(&rest, ","))) { /* up to the first that it does not know */
        int chosen = -1;
        char *end, uuid[64];
        long ordinal = strtol(item, &end, 10);
        if (end != item && !*end) chosen = ordinal >= 0 && ordinal < n ? (int)ordinal : -1;
        for (int i = 0; i < n && chosen < 0; i++) {
            snprintf(uuid, sizeof uuid, "%s-%02x", all[i].mig ? "MIG" : "GPU", all[i].mig ? 0xa0 + all[i].number : all[i].number);
            if (strncmp(item, uuid, strlen(uuid)) == 0) chosen = i;
        }
        if (chosen < 0) break;
        devices[devices_count++] = all[chosen];
    }
}

Result cuInit(unsigned flags)
{
    ASK("cuInit");
    if (getenv("FAKECUDA_SHOUT")) { puts("libcuda says hello on standard output"); fflush(stdout); }
    if (flags) return misused(INVALID_VALUE);
    if (!initialised) read_devices();
    if (!devices_count) return NO_DEVICE;
    initialised = 1;
    return SUCCESS;
}

Result cuDeviceGetCount(int *n) { ASK("cuDeviceGetCount"); NEED_INIT(); *n = devices_count; return SUCCESS; }

static int is_device(int device) { return device >= 0 && device < devices_count; }

Result cuDeviceGet(int *device, int ordinal)
{
    ASK("cuDeviceGet");
    NEED_INIT();
    if (!is_device(ordinal)) return misused(INVALID_DEVICE);
    *device = ordinal;
    return SUCCESS;
}

Result cuDeviceGetName(char *name, int size, int device)
{
    ASK("cuDeviceGetName");
    NEED_INIT();
    if (!is_device(device)) return misused(INVALID_DEVICE);
    snprintf(name, size, "%s", devices[device].name);
    return SUCCESS;
}

static Result uuid_of(unsigned char *uuid, int device, int instance)
{
    NEED_INIT();
    if (!is_device(device)) return misused(INVALID_DEVICE);
    memset(uuid, 0x11, 16);
    uuid[0] = (unsigned char)(instance && devices[device].mig ? 0xa0 + devices[device].number : devices[device].number);
    return SUCCESS;
}

Result cuDeviceGetUuid(unsigned char *uuid, int device) { ASK("cuDeviceGetUuid"); return uuid_of(uuid, device, 0); }
Result cuDeviceGetUuid_v2(unsigned char *uuid, int device) { ASK("cuDeviceGetUuid_v2"); return uuid_of(uuid, device, 1); }

Result cuDeviceGetAttribute(int *value, int attribute, int device)
{
    ASK("cuDeviceGetAttribute");
    NEED_INIT();
    if (!is_device(device)) return misused(INVALID_DEVICE);
    switch (attribute) {
    case 75: *value = devices[device].major; return SUCCESS;
    case 76: *value = devices[device].minor; return SUCCESS;
    case 20: *value = devices[device].mode; return SUCCESS;
    case 16: *value = 132; return SUCCESS;
    case 32: *value = 1; return SUCCESS;
    case 13: case 18: case 36: case 37: case 38: *value = 0; return SUCCESS;
    default: return misused(INVALID_VALUE);
    }
}

Result cuDeviceGetPCIBusId(char *text, int size, int device)
{
    ASK("cuDeviceGetPCIBusId");
    NEED_INIT();
    if (!is_device(device)) return misused(INVALID_DEVICE);
    snprintf(text, size, "0000:%02X:00.0", device + 1);
    return SUCCESS;
}

Result cuDeviceTotalMem_v2(size_t *bytes, int device)
{
    ASK("cuDeviceTotalMem_v2");
    NEED_INIT();
    if (!is_device(device)) return misused(INVALID_DEVICE);
    *bytes = devices[device].memory;
    return SUCCESS;
}

/* --- contexts --- */

Result cuDevicePrimaryCtxRetain(struct context **context, int device)
{
    ASK("cuDevicePrimaryCtxRetain");
    NEED_INIT();
    if (!is_device(device)) return misused(INVALID_DEVICE);
    contexts[device].device = device;
    contexts[device].retained++;
    count[CONTEXTS]++;
    *context = &contexts[device];
    return SUCCESS;
}

Result cuDevicePrimaryCtxRelease_v2(int device)
{
    ASK("cuDevicePrimaryCtxRelease_v2");
    NEED_INIT();
    if (!is_device(device) || !contexts[device].retained) return misused(INVALID_CONTEXT);
    contexts[device].retained--;
    count[CONTEXTS]--;
    return SUCCESS;
}

Result cuCtxSetCurrent(struct context *context)
{
    ASK("cuCtxSetCurrent");
    NEED_INIT();
    if (context && !context->retained) return misused(INVALID_CONTEXT);
    current = context;
    return SUCCESS;
}

Result cuCtxSynchronize(void) { ASK("cuCtxSynchronize"); NEED_CONTEXT(); return SUCCESS; }

Result cuMemGetInfo_v2(size_t *free_bytes, size_t *total)
{
    ASK("cuMemGetInfo_v2");
    NEED_CONTEXT();
    *total = devices[current->device].memory;
    *free_bytes = *total - (size_t)count[BYTES];
    return SUCCESS;
}

/* --- memory --- */

static Result take(struct block *table, int size, size_t bytes, void **memory, enum counter counter)
{
    for (int i = 0; i < size; i++)
        if (!table[i].memory) {
            table[i].memory = calloc(1, bytes); /* memory of another process, cleared: "stale zeros" */
            table[i].address = (Address)(uintptr_t)table[i].memory;
            table[i].size = bytes;
            *memory = table[i].memory;
            count[counter]++;
            count[BYTES] += (int64_t)bytes;
            return SUCCESS;
        }
    return OUT_OF_MEMORY;
}

static Result give(struct block *table, int size, Address address, enum counter counter)
{
    for (int i = 0; i < size; i++)
        if (table[i].memory && table[i].address == address) {
            free(table[i].memory);
            count[BYTES] -= (int64_t)table[i].size;
            memset(&table[i], 0, sizeof table[i]);
            count[counter]--;
            return SUCCESS;
        }
    return misused(INVALID_VALUE);
}

static void *at(Address address, size_t bytes)
{
    for (int i = 0; i < 256; i++)
        if (blocks[i].memory && address >= blocks[i].address && address + bytes <= blocks[i].address + blocks[i].size)
            return (void *)(uintptr_t)address;
    count[MISUSES]++;
    return 0;
}

Result cuMemAlloc_v2(Address *address, size_t bytes)
{
    ASK("cuMemAlloc_v2");
    NEED_CONTEXT();
    void *memory;
    if (!bytes) return misused(INVALID_VALUE);
    if (bytes + (size_t)count[BYTES] > devices[current->device].memory) return OUT_OF_MEMORY;
    Result result = take(blocks, 256, bytes, &memory, ALLOCATIONS);
    if (!result) *address = (Address)(uintptr_t)memory;
    return result;
}

Result cuMemFree_v2(Address address) { ASK("cuMemFree_v2"); NEED_CONTEXT(); return give(blocks, 256, address, ALLOCATIONS); }

Result cuMemAllocHost_v2(void **memory, size_t bytes)
{
    ASK("cuMemAllocHost_v2");
    NEED_CONTEXT();
    return take(pinned, 64, bytes, memory, PINNED);
}

Result cuMemFreeHost(void *memory)
{
    ASK("cuMemFreeHost");
    NEED_CONTEXT();
    return give(pinned, 64, (Address)(uintptr_t)memory, PINNED);
}

static Result copied(void *target, const void *source, size_t bytes)
{
    if (!target || !source) return ILLEGAL_ADDRESS;
    memcpy(target, source, bytes);
    now_ms += (double)bytes / 1e7;
    return SUCCESS;
}

Result cuMemcpyHtoD_v2(Address target, const void *source, size_t bytes)
{
    ASK("cuMemcpyHtoD_v2");
    NEED_CONTEXT();
    return copied(at(target, bytes), source, bytes);
}

Result cuMemcpyDtoH_v2(void *target, Address source, size_t bytes)
{
    ASK("cuMemcpyDtoH_v2");
    NEED_CONTEXT();
    return copied(target, at(source, bytes), bytes);
}

Result cuMemcpyDtoD_v2(Address target, Address source, size_t bytes)
{
    ASK("cuMemcpyDtoD_v2");
    NEED_CONTEXT();
    const char *how = wrong("copy");
    char *to = at(target, bytes);
    if (!to) return ILLEGAL_ADDRESS;
    if (!strcmp(how, "unwritten")) return SUCCESS;
    Result result = copied(to, at(source, bytes), bytes);
    if (!strcmp(how, "flip")) to[bytes / 2] ^= 4;
    if (!strcmp(how, "zeros")) memset(to + bytes / 2, 0, bytes - bytes / 2);
    return result;
}

Result cuMemsetD8_v2(Address target, unsigned char value, size_t bytes)
{
    ASK("cuMemsetD8_v2");
    NEED_CONTEXT();
    void *to = at(target, bytes);
    if (!to) return ILLEGAL_ADDRESS;
    memset(to, value, bytes);
    return SUCCESS;
}

/* --- modules and launches --- */

Result cuModuleLoadDataEx(struct module **module, const char *image, unsigned n, const int *options, void **values)
{
    Result result = asked("cuModuleLoadDataEx");
    NEED_CONTEXT();
    const char *compiler = getenv("FAKECUDA_COMPILER");
    if (compiler && !dlopen(compiler, RTLD_NOW)) return 221;
    if (!result && !strstr(image, ".version 6.0\n")) result = INVALID_IMAGE;
    for (unsigned i = 0; i + 1 < n; i++) { /* a log and, right behind it, its size */
        if (options[i] == 3 && !result) snprintf(values[i], (size_t)values[i + 1], "compiled, says the fake compiler");
        if (options[i] == 5 && result) snprintf(values[i], (size_t)values[i + 1], "error %d, says the fake compiler", result);
    }
    if (result) return result;
    for (int i = 0; i < 16; i++)
        if (!modules[i].live) {
            modules[i].live = 1;
            *module = &modules[i];
            count[MODULES]++;
            return SUCCESS;
        }
    return OUT_OF_MEMORY;
}

Result cuModuleGetFunction(char **function, struct module *module, const char *name)
{
    ASK("cuModuleGetFunction");
    NEED_CONTEXT();
    if (!module || !module->live) return misused(INVALID_HANDLE);
    for (int i = 0; i < 3; i++)
        if (!strcmp(kernels[i], name)) { *function = kernels[i]; return SUCCESS; }
    return misused(NOT_FOUND);
}

Result cuModuleUnload(struct module *module)
{
    ASK("cuModuleUnload");
    NEED_CONTEXT();
    if (!module || !module->live) return misused(INVALID_HANDLE);
    module->live = 0;
    count[MODULES]--;
    return SUCCESS;
}

static Result spoil(const char *kernel, void *out, size_t bytes)
{
    const char *how = wrong(kernel);
    if (!strcmp(how, "flip")) ((char *)out)[bytes / 2] ^= 1;
    if (!strcmp(how, "zeros")) memset(out, 0, bytes);
    if (!strcmp(how, "overrun")) ((char *)out)[bytes] = 0;
    return SUCCESS;
}

static Result run_vadd(void **p, unsigned blocks_count)
{
    uint32_t n = *(uint32_t *)p[3];
    const float *a = at(*(Address *)p[0], 4u * n), *b = at(*(Address *)p[1], 4u * n);
    float *out = at(*(Address *)p[2], 4u * n);
    if (!a || !b || !out) return ILLEGAL_ADDRESS;
    if (!strcmp(wrong("vadd"), "unwritten")) return SUCCESS;
    for (uint32_t i = 0; i < n && i < blocks_count * 256u; i++) out[i] = a[i] + b[i];
    return spoil("vadd", out, 4u * n);
}

static Result run_matmul(void **p, unsigned across, unsigned down)
{
    uint32_t n = *(uint32_t *)p[3];
    size_t bytes = (size_t)4 * n * n;
    const float *a = at(*(Address *)p[0], bytes), *b = at(*(Address *)p[1], bytes);
    float *out = at(*(Address *)p[2], bytes);
    if (!a || !b || !out) return ILLEGAL_ADDRESS;
    if (!strcmp(wrong("matmul"), "unwritten")) return SUCCESS;
    uint32_t columns = across * 16 < n ? across * 16 : n, rows = down * 16 < n ? down * 16 : n;
    for (uint32_t i = 0; i < rows; i++) {
        float *line = out + (size_t)i * n;
        memset(line, 0, (size_t)4 * columns);
        for (uint32_t k = 0; k < n; k++) { /* ascending k; the products are exact, so no fma is needed */
            float x = a[(size_t)i * n + k];
            for (uint32_t j = 0; j < columns; j++) line[j] += x * b[(size_t)k * n + j];
        }
    }
    now_ms += 2.0 * n * n * n / 1e9;
    return spoil("matmul", out, bytes);
}

static Result run_reduce(void **p)
{
    uint32_t n = *(uint32_t *)p[2];
    const uint32_t *in = at(*(Address *)p[0], 4u * n);
    uint64_t *out = at(*(Address *)p[1], 8), sum = 0;
    if (!in || !out) return ILLEGAL_ADDRESS;
    if (!strcmp(wrong("reduce"), "unwritten")) return SUCCESS;
    for (uint32_t i = 0; i < n; i++) sum += in[i];
    *out += sum;
    return spoil("reduce", out, 8);
}

Result cuLaunchKernel(char *function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
                      unsigned shared, void *stream, void **parameters, void **extra)
{
    ASK("cuLaunchKernel");
    NEED_CONTEXT();
    if (!gx || !gy || gz != 1 || bz != 1 || shared || stream || extra) return misused(INVALID_VALUE);
    count[LAUNCHES]++;
    now_ms += 0.01;
    if (function == kernels[1]) return bx == 16 && by == 16 ? run_matmul(parameters, gx, gy) : misused(INVALID_VALUE);
    if (bx != 256 || by != 1 || gy != 1) return misused(INVALID_VALUE);
    if (function == kernels[0]) return run_vadd(parameters, gx);
    if (function == kernels[2]) return run_reduce(parameters);
    return misused(INVALID_HANDLE);
}

/* --- events --- */

static int is_event(struct event *event) { return event >= events && event < events + 64 && event->live; }

Result cuEventCreate(struct event **event, unsigned flags)
{
    ASK("cuEventCreate");
    NEED_CONTEXT();
    if (flags) return misused(INVALID_VALUE);
    for (int i = 0; i < 64; i++)
        if (!events[i].live) {
            events[i].live = 1;
            events[i].at = -1;
            *event = &events[i];
            count[EVENTS]++;
            return SUCCESS;
        }
    return OUT_OF_MEMORY;
}

Result cuEventRecord(struct event *event, void *stream)
{
    ASK("cuEventRecord");
    NEED_CONTEXT();
    if (!is_event(event) || stream) return misused(INVALID_HANDLE);
    event->at = now_ms;
    return SUCCESS;
}

Result cuEventSynchronize(struct event *event)
{
    ASK("cuEventSynchronize");
    NEED_CONTEXT();
    return is_event(event) ? SUCCESS : misused(INVALID_HANDLE);
}

Result cuEventElapsedTime(float *ms, struct event *start, struct event *stop)
{
    ASK("cuEventElapsedTime");
    NEED_CONTEXT();
    if (!is_event(start) || !is_event(stop) || start->at < 0 || stop->at < 0) return misused(INVALID_HANDLE);
    *ms = (float)(stop->at - start->at);
    return SUCCESS;
}

Result cuEventDestroy_v2(struct event *event)
{
    ASK("cuEventDestroy_v2");
    NEED_CONTEXT();
    if (!is_event(event)) return misused(INVALID_HANDLE);
    event->live = 0;
    count[EVENTS]--;
    return SUCCESS;
}
