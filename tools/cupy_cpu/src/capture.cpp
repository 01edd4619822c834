// Stream capture and graphs: a graph is the list of the operations submitted, each with its arguments by value.
#include <fstream>

#include "internal.h"

// Legal in no mode: "it is invalid to synchronize or query a stream that is being captured, or a broader handle".
int forbid_in_capture(Stream* stream) {
  int e = SUCCESS;
  for (auto s : capturing)
    if (!stream || s == stream) s->capture->invalid = true, e = CAPTURE_UNSUPPORTED;
  return e;
}
// The mode says who may make calls that no stream orders: a global capture forbids them to every thread, a thread-local
// one to its own thread, a relaxed one to nobody.
int forbid_unsafe_call() {
  Lock lock(api_lock);
  int e = SUCCESS;
  for (auto s : capturing) {
    auto& c = *s->capture;
    bool forbidden =
        c.mode == CAPTURE_GLOBAL || (c.mode == CAPTURE_THREAD_LOCAL && c.thread == std::this_thread::get_id());
    if (forbidden) c.invalid = true, e = CAPTURE_UNSUPPORTED;
  }
  return e;
}

extern "C" {
int cudaStreamBeginCapture(void* stream, int mode) {
  Lock lock(api_lock);
  if ((uintptr_t)stream <= 1) return CAPTURE_UNSUPPORTED;  // the legacy stream
  auto s = stream_of(stream);
  if (s->capture) return ILLEGAL_STATE;
  s->capture = std::make_shared<Capture>();
  s->capture->origin = s;
  s->capture->mode = CaptureMode(mode);
  s->capture->thread = std::this_thread::get_id();
  capturing.insert(s);
  return SUCCESS;
}
int cudaStreamIsCapturing(void* stream, int* status) {
  Lock lock(api_lock);
  if ((uintptr_t)stream <= 1)
    for (auto c : capturing)
      if (c->blocking()) return CAPTURE_IMPLICIT;
  auto& capture = stream_of(stream)->capture;
  *status = !capture ? 0 : capture->invalid ? 2 : 1;
  return SUCCESS;
}
int cudaStreamEndCapture(void* stream, void** graph) {
  Lock lock(api_lock);
  auto s = stream_of(stream);
  *graph = nullptr;
  if (!s->capture) return ILLEGAL_STATE;
  if (s->capture->origin != s) return CAPTURE_UNMATCHED;
  auto capture = s->capture;
  if (capture->mode != CAPTURE_RELAXED && capture->thread != std::this_thread::get_id()) return CAPTURE_WRONG_THREAD;
  capture->unjoined.erase(s);
  for (auto i = capturing.begin(); i != capturing.end();) {
    if ((*i)->capture == capture) {
      (*i)->capture.reset();
      i = capturing.erase(i);
    } else {
      ++i;
    }
  }
  if (capture->invalid) return CAPTURE_INVALIDATED;
  if (!capture->unjoined.empty()) return CAPTURE_UNJOINED;
  *graph = new Graph(capture->graph);
  return SUCCESS;
}

// A graph and its executable share the nodes, which nobody changes after the capture; the last one frees them.
int cudaGraphInstantiate(void** executable, void* graph, unsigned long long) {
  *executable = new Graph(*(Graph*)graph);
  return SUCCESS;
}
int cudaGraphDestroy(void* graph) {
  delete (Graph*)graph;
  return SUCCESS;
}
int cudaGraphExecDestroy(void* executable) {
  delete (Graph*)executable;
  return SUCCESS;
}
int cudaGraphUpload(void*, void*) { return SUCCESS; }
int cudaGraphLaunch(void* executable, void* stream) {
  Graph nodes = *(Graph*)executable;
  return submit(
      stream, "graph", [] { count(graph_launches, "cudaGraphLaunch"); },
      [nodes]() -> int {
        for (auto& node : *nodes) {
          count(graph_nodes, node.name.c_str());
          if (int e = node.run()) return e;
        }
        return SUCCESS;
      });
}
int cudaGraphDebugDotPrint(void* graph, const char* path, unsigned) {
  std::ofstream f(path);
  auto& nodes = **(Graph*)graph;
  f << "digraph dot {\n";
  for (size_t i = 0; i < nodes.size(); i++) {
    f << "  n" << i << " [label=\"" << nodes[i].name << "\"];\n";
    if (i) f << "  n" << i - 1 << " -> n" << i << ";\n";
  }
  f << "}\n";
  return SUCCESS;
}
}
