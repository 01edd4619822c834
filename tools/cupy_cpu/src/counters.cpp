// Counts what a program makes the device and the host do, and lets Python look at each event or forbid it.
#include <stdexcept>

#include "internal.h"

static std::atomic<uint64_t> counts[COUNTERS];
static const char* const names[] = {
#define X(name) #name,
    CPUCUDA_COUNTERS(X)
#undef X
};
// Called with the event's name, the function's and whether it can still be forbidden; not 0: forbid it.
using Hook = int (*)(const char* event, const char* function, int before);
static std::atomic<Hook> hook{nullptr};

static int tell(Counter what, const char* function, int before) {
  Hook h = hook;
  return h ? h(names[what], function, before) : 0;
}
void count(Counter what, const char* function) {
  counts[what]++;
  tell(what, function, 0);
}
void count_bytes(Counter what, const char* function, size_t bytes) {
  counts[what + 1] += bytes;
  count(what, function);
}
void ask(Counter what, const char* function) {
  if (tell(what, function, 1))
    throw std::runtime_error(std::string("forbidden here: ") + names[what] + " by " + function);
}

extern "C" {
int cpucuda_counters() { return COUNTERS; }
const char* cpucuda_counter_name(int i) { return names[i]; }
uint64_t cpucuda_count(int i) { return counts[i]; }
void cpucuda_reset_counts() {
  for (auto& c : counts) c = 0;
}
void cpucuda_set_hook(Hook h) { hook = h; }
}
