"""The average by place, kept in the reader's checkpoint (state=yes)."""
from rivulet_task import emit, run, task

sums = {}  # place: [sum, readings]


@task
def average(message):
    entry = sums.setdefault(message["place"], [0, 0])
    entry[0] += message["degrees"]
    entry[1] += 1
    emit("averages", f"{message['place']} {entry[0] / entry[1]:.1f}")


run(save=lambda: sums, load=sums.update)
