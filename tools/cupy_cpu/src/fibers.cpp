// The threads of a grid run one after another. Where a kernel has barriers, each thread of a block is a fiber with a
// stack of its own: at a barrier it hands over to the scheduler, which resumes the others.
#include "fibers.h"

#include <setjmp.h>
#include <sys/mman.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "internal.h"

extern "C" {  // what kernels see
uint3 threadIdx, blockIdx;
dim3 blockDim, gridDim;
alignas(512) char cpucuda_shared[232448];
uint64_t cpucuda_slot[1024][2];
}

// ---- switching stacks: the callee-saved registers lie on the stack, the context is the stack pointer ----
using Context = void*;
__attribute__((naked, noinline)) static void switch_to(Context* /* from, in rdi */, Context* /* to, in rsi */) {
  asm("push %rbp\n push %rbx\n push %r12\n push %r13\n push %r14\n push %r15\n mov %rsp, (%rdi)\n"
      "mov (%rsi), %rsp\n pop %r15\n pop %r14\n pop %r13\n pop %r12\n pop %rbx\n pop %rbp\n ret");
}
static void make_context(Context* c, char* stack, size_t bytes, void (*entry)()) {
  void** top = (void**)(stack + bytes) - 2;  // "ret" into the entry leaves the stack aligned as a call would
  top[0] = (void*)entry;
  *c = top - 6;
}

// ---- fibers ----
enum State { READY, AT_BLOCK_BARRIER, AT_WARP_BARRIER, DONE };
struct Fiber {
  Context context;
  char* stack;
  bool started;
  State state;
  unsigned mask;  // of the warp barrier that it waits at
  uint3 index;
};
static const size_t STACK_BYTES = 256 << 10;
static Fiber fibers[1024];
static Context scheduler;
static int current;
static bool in_fiber;
static const cpucuda_kernel* kernel;
static void** kernel_arguments;
static jmp_buf out_of_grid;
static int failure;

static void leave(State state) {
  fibers[current].state = state;
  switch_to(&fibers[current].context, &scheduler);
}
static void fiber_main() {
  for (;;) {
    kernel->call(kernel_arguments);
    leave(DONE);
  }
}
static uint3 thread_index(unsigned t) {
  return {t % blockDim.x, t / blockDim.x % blockDim.y, t / (blockDim.x * blockDim.y)};
}
static void resume(int t) {
  Fiber& f = fibers[t];
  if (!f.stack) {
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    f.stack = (char*)mmap(nullptr, STACK_BYTES, PROT_READ | PROT_WRITE, flags, -1, 0);
  }
  if (!f.started) make_context(&f.context, f.stack, STACK_BYTES, fiber_main);
  f.started = true;
  current = t;
  threadIdx = f.index;
  switch_to(&scheduler, &f.context);
}

extern "C" {
[[noreturn]] void cpucuda_fail(int error, const char* why) {
  char at[160];
  snprintf(at, sizeof at, " in block (%u,%u,%u) thread (%u,%u,%u)", blockIdx.x, blockIdx.y, blockIdx.z, threadIdx.x,
           threadIdx.y, threadIdx.z);
  explain_failure(std::string(why) + at);
  failure = error;
  _longjmp(out_of_grid, 1);
}
void cpucuda_barrier(unsigned mask) {
  if (!in_fiber) cpucuda_fail(LAUNCH_FAILURE, "barrier outside a fiber");
  fibers[current].mask = mask;
  leave(mask ? AT_WARP_BARRIER : AT_BLOCK_BARRIER);
}
}

// Lets go the lanes whose whole mask has come to the same barrier (a lane that has returned is not waited for).
static bool release_warps(int n) {
  bool any = false;
  for (int warp = 0; warp < n; warp += 32) {
    int end = std::min(n, warp + 32);
    for (int i = warp; i < end; i++) {
      if (fibers[i].state != AT_WARP_BARRIER) continue;
      unsigned mask = fibers[i].mask;
      bool all = true;
      for (int j = warp; j < end; j++)
        if ((mask >> (j - warp) & 1) && fibers[j].state != DONE)
          all = all && fibers[j].state == AT_WARP_BARRIER && fibers[j].mask == mask;
      if (!all) continue;
      for (int j = warp; j < end; j++)
        if ((mask >> (j - warp) & 1) && fibers[j].state == AT_WARP_BARRIER) fibers[j].state = READY;
      any = true;
    }
  }
  return any;
}
static void run_block(int n, bool reverse) {
  for (int t = 0; t < n; t++) {
    fibers[t].state = READY;
    fibers[t].index = thread_index(t);
  }
  for (;;) {
    for (int i = 0; i < n; i++) {
      int t = reverse ? n - 1 - i : i;
      if (fibers[t].state == READY) resume(t);
    }
    int done = 0, waiting = 0;
    for (int t = 0; t < n; t++) {
      done += fibers[t].state == DONE;
      waiting += fibers[t].state == AT_BLOCK_BARRIER;
    }
    if (done == n) return;
    if (done + waiting == n) {
      for (int t = 0; t < n; t++)
        if (fibers[t].state == AT_BLOCK_BARRIER) fibers[t].state = READY;
    } else if (!release_warps(n)) {
      cpucuda_fail(LAUNCH_FAILURE, "barrier not reached by all its threads (deadlock)");
    }
  }
}

// A pointer to anything but device (or pinned) memory, or to another device's, is an error before the kernel runs. So
// is not a pointer past an allocation's end, which a kernel may get and never use.
static int check_pointers(const cpucuda_kernel* k, void** arguments) {
  for (int i = 0; i < k->n; i++) {
    void* p = k->pointer[i] ? *(void**)arguments[i] : nullptr;
    if (!p) continue;
    auto found = allocation_of(p, 0);
    std::string argument = "kernel argument " + std::to_string(i);
    if (found.type == UNREGISTERED) {
      explain_failure(argument + " is not a pointer to device memory");
      return ILLEGAL_ADDRESS;
    }
    if (found.type == DEVICE && found.device != current_device()) {
      explain_failure(argument + " points to memory of device " + std::to_string(found.device) +
                      ", but the kernel runs on device " + std::to_string(current_device()));
      return ILLEGAL_ADDRESS;
    }
  }
  return SUCCESS;
}
int run_grid(const Grid& grid, void** arguments) {
  Lock lock(api_lock);
  static const bool reverse = getenv("CUPY_CPU_REVERSE") && !strcmp(getenv("CUPY_CPU_REVERSE"), "1");
  if (int e = check_pointers(grid.kernel, arguments)) return e;
  kernel = grid.kernel;
  kernel_arguments = arguments;
  gridDim = grid.blocks;
  blockDim = grid.threads;
  in_fiber = grid.has_barriers;
  failure = SUCCESS;
  int n = blockDim.x * blockDim.y * blockDim.z;
  uint64_t blocks = (uint64_t)gridDim.x * gridDim.y * gridDim.z;
  if (_setjmp(out_of_grid)) {
    for (auto& f : fibers) f.started = false;  // what they were doing is lost
    return failure;
  }
  for (uint64_t i = 0; i < blocks; i++) {
    uint64_t b = reverse ? blocks - 1 - i : i;
    blockIdx = {unsigned(b % gridDim.x), unsigned(b / gridDim.x % gridDim.y), unsigned(b / gridDim.x / gridDim.y)};
    if (grid.shared_bytes) memset(cpucuda_shared, 0xCB, grid.shared_bytes);  // no block may read another's
    if (in_fiber) {
      run_block(n, reverse);
    } else {
      for (int t = 0; t < n; t++) {
        threadIdx = thread_index(reverse ? n - 1 - t : t);
        kernel->call(arguments);
      }
    }
  }
  return SUCCESS;
}
