#include <dlfcn.h>
#include <fmt/format.h>

#include "queuereader/task_registry.h"

namespace rivulet {
namespace {

constexpr char kSymbol[] = "rivulet_task";

std::string LastError() {
  const char* error = dlerror();
  return error ? error : "unknown error";
}

}  // namespace

Result<std::unique_ptr<Task>> LoadTask(const std::string& path, TaskArgs& args) {
  // Without a slash dlopen would search the system's folders instead of this one.
  std::string file = path.find('/') == std::string::npos ? "./" + path : path;
  // Never closed: the task's code and its exceptions' types live in it.
  void* object = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!object) {
    return InvalidArgument(fmt::format("cannot be loaded as a shared object: {}", LastError()));
  }
  const auto* plugin = static_cast<const TaskPlugin*>(dlsym(object, kSymbol));
  if (!plugin) {
    return InvalidArgument(
        fmt::format("{} exports no symbol {}: a task ends with RIVULET_TASK(Type)", file, kSymbol));
  }
  // Nothing of an object of another version is called, or looked at beyond the version.
  if (plugin->abi_version != kTaskAbiVersion) {
    return InvalidArgument(fmt::format(
        "{} was compiled for ABI version {} of queuereader/task.h, this program has {}: compile it "
        "again with this version's headers",
        file, plugin->abi_version, kTaskAbiVersion));
  }
  return plugin->make(args);
}

}  // namespace rivulet
