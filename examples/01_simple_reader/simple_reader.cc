// A queue reader with a task of its own, in ten lines: greets whoever a message names.
#include <cstdio>
#include <string>

#include "queuereader/program.h"

int main(int argc, char** argv) {
  rivulet::ReaderProgram program("simple_reader", "greet the name in every message");
  program.Add("greet", [](const rivulet::Message& message) {
    auto name = message.Text("name");
    if (!name) return rivulet::Outcome::Failed("the message has no name");
    std::printf("hello, %s\n", std::string(*name).c_str());
    return rivulet::Outcome::Done();
  });
  return program.Run(argc, argv);
}
