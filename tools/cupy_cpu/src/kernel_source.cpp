// Reading CUDA source: what macros can't do is done by regular expressions.
#include <algorithm>
#include <regex>

#include "toolchain.h"
using std::regex;
using std::string;

string without_comments(const string& s) {
  string out;
  for (size_t i = 0; i < s.size(); i++) {
    if (s[i] == '/' && s[i + 1] == '/') {
      while (i < s.size() && s[i] != '\n') i++;
      out += '\n';
    } else if (s[i] == '/' && s[i + 1] == '*') {
      size_t end = s.find("*/", i + 2);
      if (end == string::npos) break;
      out += ' ';
      out.append(std::count(s.begin() + i, s.begin() + end, '\n'), '\n');  // messages keep their line numbers
      i = end + 1;
    } else {
      out += s[i];
    }
  }
  return out;
}

string as_cpp(const string& source) {
  static const regex dynamic_shared(
      "extern\\s+__shared__\\s+((?:__align__|alignas|__attribute__)\\s*\\([^;\\[]*?\\)+\\s+)?([\\w:<>, ]+?)\\s+(\\w+)"
      "\\s*\\[\\s*\\]\\s*;");
  static const regex noinline("\\b__noinline__\\b");  // libstdc++ has the word in its attributes
  string s = std::regex_replace(source, dynamic_shared, "static $2* const $3 = ($2*)cpucuda_shared;");
  return std::regex_replace(s, noinline, "__attribute__((noinline))");
}

std::vector<string> kernel_names(const string& s) {
  static const regex definition(
      "__global__\\s+(?:static\\s+|inline\\s+|__launch_bounds__\\s*\\([^()]*\\)\\s*)*void\\s+"
      "(?:__launch_bounds__\\s*\\([^()]*\\)\\s*)?(\\w+)\\s*\\(");
  static const regex block_start("extern\\s+\"C\"\\s*\\{"), prefix("extern\\s+\"C\"\\s*(?!\\{)");
  using Matches = std::sregex_iterator;
  std::vector<std::pair<size_t, size_t>> blocks;  // extern "C" { ... }
  for (Matches i(s.begin(), s.end(), block_start), none; i != none; ++i) {
    size_t begin = i->position() + i->length(), end = begin;
    for (int depth = 1; end < s.size() && depth; end++) depth += s[end] == '{' ? 1 : s[end] == '}' ? -1 : 0;
    blocks.push_back({begin, end});
  }
  std::vector<string> names;
  for (Matches i(s.begin(), s.end(), definition), none; i != none; ++i) {
    size_t at = i->position(), from = s.find_last_of(";}#", at);
    if (from == string::npos) from = 0;
    bool extern_c = std::regex_search(s.substr(from, at - from), prefix);
    for (auto& b : blocks) extern_c = extern_c || (b.first <= at && at < b.second);
    string name = (*i)[1];
    if (extern_c && std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  }
  return names;
}
