"""Warns of readings above 30 degrees, drops those without a place, fails those without a number."""
from rivulet_task import Drop, count, emit, run, task


@task
def check(message):
    if "place" not in message:
        raise Drop
    if message["degrees"] > 30:
        print("it is hot in", message["place"])  # goes to the reader's log
        emit("alerts", {"place": message["place"], "degrees": message["degrees"]})
        count("hot")


run()
