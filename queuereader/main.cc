// queuereader: runs tasks over a stream of JSON messages. See queuereader(1).
#include "queuereader/program.h"
#include "tasks/tasks.h"

int main(int argc, char** argv) {
  rivulet::ReaderProgram program("queuereader", "run tasks over a stream of JSON messages");
  rivulet::RegisterTasks(&program.registry());
  return program.Run(argc, argv);
}
