// The exercises as a program of one's own: it prints how large the numbers are that it lets
// through.
#include <cstdio>
#include <string>

#include "queuereader/program.h"

using rivulet::Message;
using rivulet::Outcome;

int main(int argc, char** argv) {
  rivulet::ReaderProgram program("my_reader", "print the numbers between 0.5 and 1, as percent");
  program.options().requeue_delay = std::chrono::milliseconds(100);

  // Exercise 4: alters what the tasks see, or drops the message.
  program.preprocess_method([](const Message& message) -> std::optional<std::string> {
    auto x = message.Number("x");
    if (!x || *x <= 0.5 || *x >= 1) return std::nullopt;
    return "{\"percent\":" + std::to_string(static_cast<int>(*x * 100)) + "}";
  });
  // Exercise 5: one of four, by the last digit.
  program.validate_method([](const Message& message) {
    return static_cast<int>(message.Number("percent").value_or(0)) % 4 == 0;
  });
  // Exercises 1 and 2: a printer that fails at every message once.
  program.Add("percent", [](const Message& message) {
    if (message.tries() == 1) return Outcome::FailedWithoutBackoff("not at the first try");
    std::printf("%s\n", std::string(message.text()).c_str());
    return Outcome::Done();
  });
  return program.Run(argc, argv);
}
