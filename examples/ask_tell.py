"""Scores from elsewhere: ask for architectures, evaluate them on a cluster, tell the scores. Seconds."""

import pickle

import lapt

study = lapt.ask_tell(source=lapt.table("invented", "invented_source"), budget=16, method="rea")
while not study.done:
    for architecture in study.ask(4):
        study.tell(architecture, 10.0 * str(architecture).count("nor_conv_3x3"))
    study = pickle.loads(pickle.dumps(study))  # kept between the runs of a script
print(study.result())
