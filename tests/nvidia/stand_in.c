/* A libnvidia-ml.so.1 (with -DNVML) and a libcuda.so.1 (with -DCUDA) without a GPU: they answer what variables say.
 *
 *   STAND_IN_DRIVER       driver version, "550.54.14"
 *   STAND_IN_CUDA         the ceiling, 12040
 *   STAND_IN_GPUS         name,major,minor,bytes,uuid,instances;...   (instances: -1 no MIG, else how many)
 *   STAND_IN_NVML_INIT    what nvmlInit answers;  STAND_IN_NVML_CUDA  what the question for the ceiling answers
 *   STAND_IN_NVML_LOST    index of a GPU that fell off the bus (15)
 *   STAND_IN_ECC          index,uncorrected errors since the reboot;  STAND_IN_REMAP  index,pending,failed
 *   STAND_IN_SLOWED       index,mask of nvmlClocksThrottleReason*
 *   STAND_IN_CUDA_INIT    what cuInit answers
 *   STAND_IN_CUDA_GPUS    as STAND_IN_GPUS, where CUDA sees other ones, or another order
 *   STAND_IN_NVML_MODE, STAND_IN_CUDA_MODE   hang, stubborn (ignores signals), crash, exit, or talk (prints on stdout)
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct { char name[96]; int major, minor; unsigned long long bytes; char uuid[80]; int instances; } gpu_t;

static gpu_t gpus[16];
static int gpu_count = -1;

static int number(const char *name, int otherwise) {
    const char *value = getenv(name);
    return value ? atoi(value) : otherwise;
}

static void misbehave(const char *variable) {
    const char *mode = getenv(variable);
    if (!mode) return;
    if (!strcmp(mode, "talk")) { printf("a driver talks\n"); fprintf(stderr, "and complains\n"); fflush(stdout); }
    if (!strcmp(mode, "stubborn")) { signal(SIGTERM, SIG_IGN); signal(SIGINT, SIG_IGN); signal(SIGALRM, SIG_IGN); }
    if (!strcmp(mode, "stubborn") || !strcmp(mode, "hang")) for (;;) sleep(60);
    if (!strcmp(mode, "crash")) raise(SIGSEGV);
    if (!strcmp(mode, "exit")) _exit(7);
}

static void load(const char *variable) {
    const char *text = getenv(variable);
    if (gpu_count >= 0) return;
    gpu_count = 0;
    while (text && *text && gpu_count < 16) {
        gpu_t *g = &gpus[gpu_count];
        if (sscanf(text, "%95[^,],%d,%d,%llu,%79[^,],%d", g->name, &g->major, &g->minor, &g->bytes, g->uuid,
                   &g->instances) == 6)
            gpu_count++;
        text = strchr(text, ';');
        if (text) text++;
    }
}

#ifdef NVML
static gpu_t parts[16][8];

int nvmlInitWithFlags(unsigned flags) {
    misbehave("STAND_IN_NVML_MODE");
    load("STAND_IN_GPUS");
    return number("STAND_IN_NVML_INIT", 0);
}
int nvmlInit_v2(void) { return nvmlInitWithFlags(0); }
int nvmlShutdown(void) { return 0; }
const char *nvmlErrorString(int code) {
    return code == 18 ? "Driver/library version mismatch" : code == 9 ? "Driver Not Loaded" : "some NVML error";
}
int nvmlSystemGetDriverVersion(char *out, unsigned size) {
    snprintf(out, size, "%s", getenv("STAND_IN_DRIVER") ? getenv("STAND_IN_DRIVER") : "550.54.14");
    return 0;
}
int nvmlSystemGetCudaDriverVersion_v2(int *out) {
    *out = number("STAND_IN_CUDA", 12040);
    return number("STAND_IN_NVML_CUDA", 0);
}
int nvmlDeviceGetCount_v2(unsigned *out) { *out = gpu_count; return 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned index, gpu_t **out) {
    if ((int)index == number("STAND_IN_NVML_LOST", -1)) return 15;
    *out = &gpus[index];
    return 0;
}
int nvmlDeviceGetName(gpu_t *g, char *out, unsigned size) { snprintf(out, size, "%s", g->name); return 0; }
int nvmlDeviceGetUUID(gpu_t *g, char *out, unsigned size) { snprintf(out, size, "%s", g->uuid); return 0; }
int nvmlDeviceGetMemoryInfo(gpu_t *g, unsigned long long *out) {
    if (!g->bytes) return 3; /* GB10: not supported */
    out[0] = g->bytes; out[1] = g->bytes; out[2] = 0;
    return 0;
}
int nvmlDeviceGetCudaComputeCapability(gpu_t *g, int *major, int *minor) {
    *major = g->major; *minor = g->minor;
    return 0;
}
int nvmlDeviceGetMigMode(gpu_t *g, unsigned *now, unsigned *later) {
    if (g->major < 8) return 3;
    *now = *later = g->instances >= 0;
    return 0;
}
static int of_gpu(const char *variable, gpu_t *g, int *first, int *second) {
    const char *text = getenv(variable);
    int index = -1;
    *first = *second = 0;
    return text && sscanf(text, "%d,%i,%i", &index, first, second) >= 2 && &gpus[index] == g;
}
int nvmlDeviceGetTotalEccErrors(gpu_t *g, unsigned kind, unsigned counter, unsigned long long *out) {
    int count, unused, is_asked = of_gpu("STAND_IN_ECC", g, &count, &unused);
    if (g->major < 6) return 3;
    *out = is_asked && kind == 1 && counter == 0 ? count : 0;
    return 0;
}
int nvmlDeviceGetRemappedRows(gpu_t *g, unsigned *corrected, unsigned *not, unsigned *pending, unsigned *failed) {
    int is_pending, has_failed, is_asked = of_gpu("STAND_IN_REMAP", g, &is_pending, &has_failed);
    if (g->major < 8) return 3;
    *corrected = *not = 0;
    *pending = is_asked && is_pending;
    *failed = is_asked && has_failed;
    return 0;
}
int nvmlDeviceGetCurrentClocksThrottleReasons(gpu_t *g, unsigned long long *out) {
    int mask, unused;
    *out = of_gpu("STAND_IN_SLOWED", g, &mask, &unused) ? mask : 4; /* a power cap, as under load */
    return 0;
}
int nvmlDeviceGetMaxMigDeviceCount(gpu_t *g, unsigned *out) { *out = 7; return 0; }
int nvmlDeviceGetMigDeviceHandleByIndex(gpu_t *g, unsigned index, gpu_t **out) {
    gpu_t *part = &parts[g - gpus][index];
    if ((int)index >= g->instances) return 6; /* not found */
    snprintf(part->name, sizeof part->name, "%.70s MIG 1g.10gb", g->name);
    snprintf(part->uuid, sizeof part->uuid, "MIG-%08x-0000-4000-8000-%012x", (int)(g - gpus), index);
    part->bytes = g->bytes / 8;
    *out = part;
    return 0;
}
#endif

#ifdef CUDA
int cuDriverGetVersion(int *out) { *out = number("STAND_IN_CUDA", 12040); return 0; }
int cuInit(unsigned flags) {
    misbehave("STAND_IN_CUDA_MODE");
    load(getenv("STAND_IN_CUDA_GPUS") ? "STAND_IN_CUDA_GPUS" : "STAND_IN_GPUS");
    return number("STAND_IN_CUDA_INIT", gpu_count > 0 ? 0 : 100);
}
int cuGetErrorString(int code, const char **out) {
    *out = code == 100 ? "no CUDA-capable device is detected" : "some CUDA error";
    return 0;
}
int cuDeviceGetCount(int *out) { *out = gpu_count; return 0; }
int cuDeviceGet(int *out, int index) { *out = index; return 0; }
int cuDeviceGetName(char *out, int size, int index) { snprintf(out, size, "%s", gpus[index].name); return 0; }
int cuDeviceTotalMem_v2(size_t *out, int index) { *out = gpus[index].bytes ? gpus[index].bytes : 1234; return 0; }
int cuDeviceGetAttribute(int *out, int attribute, int index) {
    *out = attribute == 75 ? gpus[index].major : attribute == 76 ? gpus[index].minor : -1;
    return 0;
}
int cuDeviceGetUuid_v2(unsigned char *out, int index) {
    const char *at = gpus[index].uuid + 4; /* after GPU- */
    for (int done = 0; done < 16 && *at; at++) {
        unsigned value;
        if (*at == '-') continue;
        if (sscanf(at, "%2x", &value) != 1) return 1;
        out[done++] = (unsigned char)value;
        at++;
    }
    return 0;
}
#endif
