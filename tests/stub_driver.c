/* A CUDA driver of any version and state, as libcuda.so.1: it answers what the CUDA runtime asks before
 * it looks for devices. The environment says how: STUB_VERSION is 1000 * major + 10 * minor, STUB_START
 * what starting it returns. */
#include <stdlib.h>
#include <string.h>

static int number(const char* name) {
  const char* text = getenv(name);
  return text != NULL ? atoi(text) : 0;
}

int cuDriverGetVersion(int* version) {
  *version = number("STUB_VERSION");
  return 0;
}

int cuInit(unsigned flags) {
  (void)flags;
  return number("STUB_START");
}

static int fail(void) {
  return 999; /* unknown */
}

int cuGetProcAddress_v2(const char* name, void** found, int version, unsigned long long flags,
                        int* state) {
  (void)version;
  (void)flags;
  *found = (void*)fail;
  if (strcmp(name, "cuInit") == 0) *found = (void*)cuInit;
  if (strcmp(name, "cuDriverGetVersion") == 0) *found = (void*)cuDriverGetVersion;
  if (strcmp(name, "cuGetProcAddress") == 0) *found = (void*)cuGetProcAddress_v2;
  if (state != NULL) *state = 0;
  return 0;
}
