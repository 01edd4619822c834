// Running the threads of a grid.
#pragma once
#include "../include/cpucuda.h"

struct Grid {
  const cpucuda_kernel* kernel;
  bool has_barriers;  // then each thread of a block is a fiber, else a call
  dim3 blocks, threads;
  size_t shared_bytes;
};
// Runs a grid to its end; returns an Error. The arguments are pointers to each value.
int run_grid(const Grid& grid, void** arguments);
