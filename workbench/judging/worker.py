"""A process that trains learners for a judgement: a line of JSON names a trial, lines say how far it is and its peak.

It ends with its parent, whose pipe it reads from: an orphan would go on training for nobody.
"""

import contextlib
import json
import os
import sys
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any, TextIO

import torch

from workbench import registry
from workbench.config import VictimConfig, WorkbenchError
from workbench.figures import peak
from workbench.judging import case_file, trial
from workbench.judging.learners import Learner
from workbench.progress import listening, shown_as


def serve(folder: Path) -> None:
    """Do the trials that stdin names, on the data in `folder`, until it ends."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # whatever else is printed is no answer
    torch.set_num_threads(1)  # with others beside it; and the same bits on every machine
    registry.load(registry.named_files())
    asked: SimpleQueue[str] = SimpleQueue()
    Thread(target=_listen, args=(asked,), daemon=True).start()
    case = case_file.read(folder)
    with shown_as("off"):
        while line := asked.get():
            found = json.loads(line)
            learner, config = Learner(**found["learner"]), VictimConfig(**found["config"])
            try:
                one = trial.Trial(learner, found["side"], config, found["data"], Path(found["where"]))
                with listening(lambda step: _say(answers, share=step.share, now=step.numbers.get("test_accuracy"))):
                    rows = trial.learn(one, case)
                _say(answers, share=1.0, peak=peak(rows))
            except WorkbenchError as error:
                _say(answers, error=str(error))


def _say(answers: TextIO, **said: Any) -> None:
    print(json.dumps(said), file=answers, flush=True)


def _listen(asked: "SimpleQueue[str]") -> None:
    for line in sys.stdin:
        asked.put(line)
    os._exit(0)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):  # its parent heard it too, and says so
        serve(Path(sys.argv[1]))
