// What stands for a cubin: this header, then a shared object.
#pragma once
#include <cstdint>

static const char IMAGE_MAGIC[] = "CUPYCPU2";
struct ImageHeader {
  char magic[8];
  uint64_t has_barriers, bytes;
};
