/* Just enough of NVIDIA's two libraries for a process to find one GPU: NVML, and CUDA's driver, which knows its
   devices once it is initialised and in the order that it likes. */

#include <string.h>

static const unsigned char GPU[16] = {0x8f, 0x6e, 0x3c, 0x1a, 0x2b, 0x4d, 0x4c, 0x7e,
                                      0x9a, 0x10, 0x5d, 0x3f, 0x7b, 0x9e, 0x2c, 0x44};
static int initialised = 0;

int cuInit(unsigned flags) { initialised = 1; return 0; }
int cuDeviceGet(int *device, int ordinal) {
    if (!initialised) return 3;
    if (ordinal > 1) return 101;
    *device = ordinal;
    return 0;
}
static int uuid(unsigned char *octets, int device) {
    memcpy(octets, GPU, 16);
    octets[15] += device;
    return 0;
}
int cuDeviceGetUuid(void *octets, int device) { return uuid(octets, device); }
int cuDeviceGetUuid_v2(void *octets, int device) { return uuid(octets, device); }

struct memory { unsigned long long total, free, used; };

int nvmlInitWithFlags(unsigned flags) { return 0; }
int nvmlShutdown(void) { return 0; }
int nvmlDeviceGetCount_v2(unsigned *count) { *count = 1; return 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **handle) { *handle = (void *)8; return 0; }
int nvmlDeviceGetUUID(void *handle, char *text, unsigned size) {
    strcpy(text, "GPU-8f6e3c1a-2b4d-4c7e-9a10-5d3f7b9e2c44");
    return 0;
}
int nvmlDeviceGetName(void *handle, char *text, unsigned size) { strcpy(text, "NVIDIA Test"); return 0; }
int nvmlDeviceGetMemoryInfo(void *handle, struct memory *memory) {
    memory->total = 1ull << 30;
    memory->used = 1ull << 28;
    memory->free = memory->total - memory->used;
    return 0;
}
